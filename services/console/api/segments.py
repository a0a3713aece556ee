"""Segments: as rows, one by one, and as sound."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.console.api.attributes import Where, check_found, predicate
from services.console.api.shapes import CollectionName, Page, Paging, Shown
from services.console.auth import Requires
from services.console.deps import ConsoleDep
from services.console.ranges import ByteRange, Unsatisfiable, parse
from services.console.streaming import streamed
from services.console.wav import WavSpan, size_bytes
from shared.errors import InvalidRequest
from shared.storage import collections, listing, narrowing, people
from shared.storage.database import Transaction
from shared.storage.labels import SegmentGone
from shared.storage.narrowing import Narrowing
from shared.storage.recordings import audio_sources
from shared.storage.segments import Modality, SegmentSpan, spans
from shared.units import samples

router = APIRouter(tags=["segments"], dependencies=[Depends(Requires("read"))])


class SegmentShown(Shown):
    """A stretch of a recording and who is known to speak in it. `speaker_label` is a diarization label, no speaker.

    One whose `modality` is text is a caption of the whole recording, and nobody speaks in it.
    """

    segment_id: UUID
    recording_id: UUID
    object_key: str | None
    start_s: float
    end_s: float
    source: str
    text: str | None
    speaker_label: str | None
    cluster_id: UUID | None
    speaker: str | None
    assigned_by: Literal["human", "cluster", "identification", "import"] | None
    confidence: float | None
    suggestion: str | None
    suggestion_probability: float | None
    words: list[dict[str, Any]] | None
    modality: Modality
    attributes: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class WantedSegments:
    """The query of the listing, as a dependency."""

    recording_id: UUID | None = None
    key: Annotated[
        str | None, Query(description="an object key or how several begin, with or without the collection in front")
    ] = None
    cluster_id: UUID | None = None
    speaker: Annotated[str | None, Query(description="who speaks, by name")] = None
    modality: Annotated[Modality | None, Query(description="only audio, or only captions")] = None
    where: Where = ()
    unnamed: Annotated[bool, Query(description="only those that nobody and no rule has named")] = False
    suggested: Annotated[bool, Query(description="only those without a name for which somebody is suggested")] = False

    def narrowing(self, tx: Transaction, collection: str) -> Narrowing:
        """Raises UnknownSpeaker, UnknownRecording, ClusterGone; InvalidRequest for what nothing can be."""
        if self.speaker is not None and (self.unnamed or self.suggested):
            raise InvalidRequest("A segment of a speaker has a name: ask for a speaker or for segments without one.")
        if self.recording_id is not None:
            narrowing.check_recording(tx, collection, self.recording_id)
        if self.cluster_id is not None:
            narrowing.check_cluster(tx, collection, self.cluster_id)
        return replace(
            Narrowing() if self.key is None else narrowing.by_path(tx, collection, self.key),
            recording_id=self.recording_id,
            cluster_id=self.cluster_id,
            speaker_id=None if self.speaker is None else people.canonical(tx, people.speaker_named(tx, self.speaker)),
            attributes=predicate(self.where),
            modality=self.modality,
            unnamed=self.unnamed or None,
            suggested=self.suggested or None,
        )


@router.get("/v1/collections/{collection}/segments")
def segments(
    console: ConsoleDep,
    collection: CollectionName,
    paging: Annotated[Paging, Depends()],
    wanted: Annotated[WantedSegments, Depends()],
) -> Page[SegmentShown]:
    """By object key and start; only those to which all of what is named applies."""
    name = f"segments:{collection}:{wanted!r}"
    start = paging.start(name)
    after = {} if start is None else {"after": (str(start[0]), int(start[1]), UUID(str(start[2])))}
    with console.database.begin() as tx:
        collections.get(tx, collection)
        rows = listing.segments(tx, collection, narrowed_to=wanted.narrowing(tx, collection), most=paging.most, **after)
        if not rows:
            check_found(tx, collection, wanted.where)
    return paging.page(name, rows, SegmentShown.model_validate, _place)


def _place(row: listing.ListedSegment) -> tuple[str, int, str]:
    return row.object_key or "", samples(row.start_s), str(row.segment_id)


@router.get("/v1/segments/{segment_id}")
def segment(console: ConsoleDep, segment_id: UUID) -> SegmentShown:
    """One segment."""
    with console.database.begin() as tx:
        return SegmentShown.model_validate(listing.segment(tx, segment_id))


@router.get(
    "/v1/segments/{segment_id}/audio",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"audio/wav": {}}, "description": "16-bit mono WAV at 16 kHz of exactly this segment"},
        206: {"content": {"audio/wav": {}}, "description": "the range that was asked for"},
        304: {"description": "the client has it already"},
        416: {"description": "the range begins behind the end"},
    },
)
def audio(console: ConsoleDep, segment_id: UUID, request: Request) -> Response:
    """The segment as a WAV file, whole or in part."""
    with console.database.begin() as tx:
        span = next(iter(spans(tx, [segment_id])), None)
        if span is None:
            raise SegmentGone(f"No segment {segment_id}.")
        source = audio_sources(tx, [span.recording_id], console.settings.s3.derived_bucket)[span.recording_id]
    headers = _headers(span)
    if headers["ETag"] in _listed(request.headers.get("If-None-Match")):
        return Response(status_code=304, headers=headers)
    n_bytes = size_bytes(span.end_sample - span.start_sample)
    try:
        asked = parse(_range_header(request, headers["ETag"]), n_bytes)
    except Unsatisfiable:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{n_bytes}"})
    wanted = asked or ByteRange(0, n_bytes)
    headers["Content-Length"] = str(len(wanted))
    if asked is not None:
        headers["Content-Range"] = f"bytes {asked.start}-{asked.end - 1}/{n_bytes}"
    blocks = WavSpan(console.shelf.open(source), span.start_sample, span.end_sample).read(wanted)
    return streamed(blocks, "audio/wav", headers, status_code=200 if asked is None else 206)


def _headers(span: SegmentSpan) -> dict[str, str]:
    # The id is derived from the bytes and the span: the same id is the same sound. But it is asked for each time, so
    # that a voice that was erased is not played from a browser's cache.
    return {"Accept-Ranges": "bytes", "ETag": f'"{span.segment_id}"', "Cache-Control": "private, no-cache"}


def _listed(header: str | None) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in (header or "").split(",")}


def _range_header(request: Request, etag: str) -> str | None:
    condition = request.headers.get("If-Range")
    return request.headers.get("Range") if condition in {None, etag} else None
