"""Names out of annotation files: turns are mapped onto segments, and said as one entry of the label log."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from services.console.admission import NAMING, admit
from services.console.annotations import bundle, formats, rttm
from services.console.annotations.formats import Format
from services.console.annotations.naming import Recordings
from services.console.annotations.plan import Known, Placed, Plan, named_by_id, place, plan
from services.console.annotations.turns import MAX_TURNS, FileTurns, TooManyAnnotations
from services.console.api.shapes import CollectionName, Shown
from services.console.auth import Caller, Labeller
from services.console.deps import ConsoleDep
from shared.errors import InvalidRequest
from shared.ledger.outbox import announce, publish
from shared.storage import backfills, collections, exports, importing, statements
from shared.storage.database import Transaction

router = APIRouter(tags=["imports"])

_NAMES_SHOWN: Final = 5
_FILES_LOGGED: Final = 20
_CHARACTERS_LOGGED: Final = 200
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "one annotation file, or a zip archive of several",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("application/octet-stream", "application/zip")
        },
    }
}


class NoKnownRecording(InvalidRequest):
    """Name files as the recordings are named (`earmark recordings -c NAME` shows them), by path or by stem."""

    code = "no_known_recording"


class ImportedFile(Shown):
    """Turns of one recording; without a key, the recording is unknown, or it is not clear which one is meant."""

    file: str
    object_key: str | None
    turns: int


class Imported(Shown):
    """What was said, or with `dry_run` would be: segments are named, left alone, unchanged, mixed or uncovered.

    `left_alone` are those of which a person has said otherwise: the import is written down for them too, and would
    count if that word were taken back. `unchanged` are called so already. `label_id` is null when nothing was
    recorded. The segments that hold two speakers are listed, for a person to name.
    """

    label_id: UUID | None
    dry_run: bool
    named: int
    left_alone: int
    unchanged: int
    mixed: int
    uncovered: int
    turns_without_segment: int
    speakers: dict[str, int] = Field(examples=[{"Ada Lovelace": 12}])
    new_speakers: list[str]
    files: list[ImportedFile]
    unknown_files: list[str]
    ambiguous_files: list[str]
    unknown_segment_ids: list[UUID]
    mixed_segment_ids: list[UUID]


async def _body(request: Request) -> bytes:
    return await request.body()


@router.post("/v1/collections/{collection}/imports", openapi_extra=_BODY)
def record(
    console: ConsoleDep,
    caller: Labeller,
    collection: CollectionName,
    raw: Annotated[bytes, Depends(_body)],
    response: Response,
    name: Annotated[str, Query(description="the file's name", max_length=1000)] = "annotations",
    wanted: Annotated[Format | None, Query(alias="format", description="else by name and content")] = None,
    dry_run: Annotated[bool, Query(description="report, and record nothing")] = False,  # noqa: FBT002  # a query
) -> Imported:
    """Name segments as annotation files do. All of it is recorded as one entry of the label log, or nothing."""
    with console.exports.passed():
        parsed = _parsed(raw, name, wanted)
        with console.database.begin() as tx:
            collections.get(tx, collection)
            admit(tx, console.settings.console, collection, NAMING)
            names = importing.speaker_names(tx)
            files = [*rttm.restored(parsed.pop("rttm", []), names), *chain.from_iterable(parsed.values())]
            placed = place(files, Recordings(collection, exports.keys(tx, collection)))
            said = _plan(tx, collection, placed, files)
            label_id = None if dry_run or not said.words else _record(tx, collection, said, placed, caller)
    if label_id:
        response.status_code = 202  # the names spread in the background
    return _report(said, placed, names, label_id, dry_run=dry_run)


def _parsed(raw: bytes, name: str, wanted: Format | None) -> dict[Format, list[FileTurns]]:
    """Raises BadAnnotations and its kin at the first line that is wrong."""
    found: defaultdict[Format, list[FileTurns]] = defaultdict(list)
    n_turns = 0
    for file, content in bundle.files_in(raw, name):
        kind, turns = formats.parse(content, file, wanted)
        n_turns += sum(len(recording.turns) for recording in turns)
        if n_turns > MAX_TURNS:
            raise TooManyAnnotations(f"There are more than {MAX_TURNS} turns.")
        found[kind] += turns
    return dict(found)


def _plan(tx: Transaction, collection: str, placed: Sequence[Placed], files: Sequence[FileTurns]) -> Plan:
    """Raises NoKnownRecording when there is nothing to say anything about."""
    recordings = {found.recording_id for found in placed if found.recording_id}
    by_id = named_by_id(files)
    if not recordings and not by_id:
        raise NoKnownRecording(_nothing_known(collection, placed))
    spans = importing.named_spans(tx, collection, sorted(recordings), sorted(by_id))
    return plan(
        placed,
        by_id,
        (
            Known(
                segment_id=span.segment_id,
                recording_id=span.recording_id,
                start_sample=span.start_sample,
                end_sample=span.end_sample,
                speaker=span.speaker,
                said=span.assigned_by in {"human", "import"},
                by_person=span.assigned_by == "human",
            )
            for span in spans
        ),
    )


def _nothing_known(collection: str, placed: Sequence[Placed]) -> str:
    if not placed:
        return "There is no turn in the annotations."
    unclear = next((file for file in placed if file.found), None)
    if unclear:
        return f"{len(unclear.found)} recordings of {collection!r} may be called {unclear.file!r}."
    return f"No recording of {collection!r} is called {' or '.join(repr(f.file) for f in placed[:_NAMES_SHOWN])}."


def _record(tx: Transaction, collection: str, said: Plan, placed: Sequence[Placed], caller: Caller) -> UUID:
    files = [file.file[:_CHARACTERS_LOGGED] for file in placed[:_FILES_LOGGED]]
    detail = {"files": files, "n_files": len(placed), "n_segments": len(said.words)}
    recorded = statements.import_words(tx, collection, said.words.items(), caller.name, detail)
    asked = backfills.request_spoken_of(tx, recorded.label_id, recorded.collection)
    publish(tx, [announce(event) for event in (*recorded.events, *asked)])
    return recorded.label_id


def _report(said: Plan, placed: Sequence[Placed], known: set[str], label_id: UUID | None, *, dry_run: bool) -> Imported:
    speakers = said.speakers()
    return Imported(
        label_id=label_id,
        dry_run=dry_run,
        named=len(said.words) - len(said.left_alone),
        left_alone=len(said.left_alone),
        unchanged=len(said.unchanged),
        mixed=len(said.mixed),
        uncovered=len(said.uncovered),
        turns_without_segment=said.n_turns_without_segment,
        speakers=dict(sorted(speakers.items())),
        new_speakers=sorted(speakers.keys() - known),
        files=[_shown(file) for file in placed],
        unknown_files=[file.file for file in placed if not file.found],
        ambiguous_files=[file.file for file in placed if len(file.found) > 1],
        unknown_segment_ids=list(said.unknown_segments),
        mixed_segment_ids=list(said.mixed),
    )


def _shown(file: Placed) -> ImportedFile:
    key = file.found[0].object_key if len(file.found) == 1 else None
    return ImportedFile(file=file.file, object_key=key, turns=len(file.turns))
