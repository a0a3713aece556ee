"""Whole collections for elsewhere: rows as JSON lines, vectors as numpy, turns in the formats of other tools."""

import errno
import json
import tempfile
from collections.abc import Callable, Generator
from io import SEEK_END
from itertools import islice
from typing import IO, Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from services.console.annotations.formats import Format
from services.console.api.segments import SegmentShown
from services.console.api.shapes import CollectionName
from services.console.archives import blocks_of, write_embeddings
from services.console.auth import Requires
from services.console.deps import Console, ConsoleDep
from services.console.streaming import streamed
from services.console.turn_archives import NamedBy, write_turns
from services.console.withdrawing import unless_erased
from shared.errors import TransientError
from shared.storage import collections, encoders, exports, receipts, subsets
from shared.storage.database import Transaction
from shared.storage.listing import ListedSegment

router = APIRouter(tags=["export"], dependencies=[Depends(Requires("read"))])

_LINES_PER_BLOCK: Final = 500
_ZIP: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"application/zip": {}}}}
OfSubset = Annotated[str | None, Query(description="of the recordings of this subset only", examples=["pilot"])]


class NoRoom(TransientError):
    """Make room where the console keeps temporary files (TMPDIR), and try again."""

    code = "disk_full"


@router.get(
    "/v1/collections/{collection}/export/segments",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": SegmentShown.model_json_schema()}}}},
)
def segments(console: ConsoleDep, collection: CollectionName, subset: OfSubset = None) -> StreamingResponse:
    """One segment a line, by object key and start; segments of recordings that lie under no key are left out."""
    with console.database.begin() as tx:
        n_erasures = receipts.n_of(tx, collection)
    lines = unless_erased(_lines(console, collection, subset), console.database, collection, n_erasures)
    return streamed(lines, "application/x-ndjson")


def _lines(console: Console, collection: str, subset: str | None) -> Generator[bytes, None, None]:
    with console.exports.passed(), console.database.begin() as tx:
        exports.see_as_one(tx)
        collections.get(tx, collection)
        rows = exports.segments(tx, collection, _subset_id(tx, collection, subset))
        while block := list(islice(rows, _LINES_PER_BLOCK)):
            yield "".join(_line(segment) for segment in block).encode()


def _line(segment: ListedSegment) -> str:
    row = {
        "segment_id": str(segment.segment_id),
        "recording_id": str(segment.recording_id),
        "object_key": segment.object_key,
        "start_s": segment.start_s,
        "end_s": segment.end_s,
        "source": segment.source,
        "text": segment.text,
        "speaker_label": segment.speaker_label,
        "cluster_id": str(segment.cluster_id) if segment.cluster_id else None,
        "speaker": segment.speaker,
        "assigned_by": segment.assigned_by,
        "confidence": segment.confidence,
        "suggestion": segment.suggestion,
        "suggestion_probability": segment.suggestion_probability,
        "words": segment.words,
        "modality": segment.modality,
        **({"attributes": segment.attributes} if segment.attributes else {}),
    }
    return json.dumps(row, ensure_ascii=False) + "\n"


@router.get("/v1/collections/{collection}/export/embeddings", response_class=StreamingResponse, responses=_ZIP)
def embeddings(
    console: ConsoleDep,
    collection: CollectionName,
    encoder: Annotated[str | None, Query(examples=["ge2e"])] = None,
    subset: OfSubset = None,
) -> StreamingResponse:
    """A zip of embeddings.npy, index.jsonl and encoder.json; of the collection's first encoder if none is named.

    encoder.json counts the segments and those `without_vector`; of these, `to_backfill` can have one by a backfill.
    `dtype`: in which numbers the vectors were computed, `mixed` if in several, null if that is not known.
    """

    def write(tx: Transaction, target: IO[bytes]) -> None:
        name = encoder or collections.get(tx, collection).encoders[0]
        found = None if subset is None else subsets.by_name(tx, collection, subset)
        write_embeddings(tx, collection, encoders.by_name(tx, name), target, found)

    return _archive(console, collection, write)


@router.get("/v1/collections/{collection}/export/{kind}", response_class=StreamingResponse, responses=_ZIP)
def turns(console: ConsoleDep, collection: CollectionName, kind: Format, by: NamedBy = "speaker") -> StreamingResponse:
    """A zip of annotation files, each segment a turn; RTTM leaves out turns without a name of the kind asked for."""
    bucket = console.settings.s3.audio_bucket
    return _archive(console, collection, lambda tx, target: write_turns(tx, collection, kind, by, bucket, target))


def _subset_id(tx: Transaction, collection: str, name: str | None) -> UUID | None:
    return None if name is None else subsets.by_name(tx, collection, name).subset_id


def _archive(console: Console, collection: str, write: Callable[[Transaction, IO[bytes]], None]) -> StreamingResponse:
    target = tempfile.TemporaryFile()  # noqa: SIM115  # closed by whoever reads it to the end
    try:
        with console.exports.passed(), console.database.begin() as tx:
            exports.see_as_one(tx)
            collections.get(tx, collection)
            n_erasures = receipts.n_of(tx, collection)
            write(tx, target)
    except BaseException as error:
        target.close()
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise NoRoom(f"The export does not fit on the console's disk: {error.strerror}.") from error
        raise
    blocks = unless_erased(blocks_of(target), console.database, collection, n_erasures)
    return streamed(blocks, "application/zip", {"Content-Length": str(target.seek(0, SEEK_END))})
