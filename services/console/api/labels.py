"""Name the speaker of segments or of a cluster, reject a name, take a word back, and follow how names spread."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field, model_validator

from services.console.admission import NAMING, admit
from services.console.api.shapes import (
    Asked,
    CollectionName,
    Page,
    Paging,
    Shown,
    SpeakerName,
    Time,
    check_speaker,
    time_and_id,
)
from services.console.auth import Labeller, Reader, Requires
from services.console.deps import ConsoleDep
from shared.ledger.outbox import announce, publish
from shared.storage import backfills, collections, label_states, listing_labels, people, reversals, statements
from shared.storage.database import Transaction
from shared.storage.statements import Recorded

router = APIRouter(tags=["labels"])


class NewLabel(Asked):
    """Who speaks in a segment, in several of one collection, or in a cluster."""

    segment_id: UUID | None = None
    segment_ids: Annotated[list[UUID], Field(min_length=1, max_length=10_000)] | None = None
    cluster_id: UUID | None = None
    speaker: SpeakerName

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if sum(target is not None for target in (self.segment_id, self.segment_ids, self.cluster_id)) != 1:
            raise ValueError("name one of segment_id, segment_ids and cluster_id")
        return self


class NewRejection(Asked):
    """Who does not speak in a segment, whatever anybody or any rule says."""

    segment_id: UUID
    speaker: SpeakerName


class LabelRecorded(Shown):
    """The label stands in the log; `segments` were spoken of. Who follows is found out in the background."""

    label_id: UUID
    collection: str | None
    speaker: str | None
    segments: int


class LabelShown(Shown):
    """How far a label has got. Of segments, `segments` were spoken of: in a label, an import, or a split, by id or as
    members of a cluster. `propagated` received a name in the background because of it, `lost` lost theirs, and
    `changed` have another name than before, or one at all, or none, for any of these reasons.
    """

    label_id: UUID
    collection: str | None
    operation: str
    state: Literal["recorded", "propagated"]
    segments: int
    propagated: int
    lost: int
    changed: int


class StatementUndone(Shown):
    """What was taken back; or was brought again, and is `standing`. `detail` is as in the log."""

    operation: str
    speaker: str | None
    cluster_id: UUID | None
    standing: bool
    detail: dict[str, Any]


class LabelUndone(LabelRecorded):
    """The entry that takes a statement back, which can be undone itself, and what it takes back."""

    undone: StatementUndone


class LabelLogEntry(Shown):
    """An entry of the label log; `segments` is how many it changed, `active` whether it has been taken back."""

    label_id: UUID
    operation: str
    speaker: str | None
    segment_id: UUID | None
    cluster_id: UUID | None
    actor: str
    cause_id: UUID | None
    undoes_id: UUID | None
    active: bool
    detail: dict[str, Any]
    segments: int
    created_at: datetime


@router.post("/v1/labels", status_code=202)
def record(console: ConsoleDep, caller: Labeller, new: NewLabel) -> LabelRecorded:
    """Write it down; spreading it follows in the background."""
    speaker = check_speaker(new.speaker)
    with console.database.begin() as tx:
        if new.cluster_id:
            recorded = statements.name_cluster(tx, new.cluster_id, speaker, caller.name)
        else:
            segment_ids = new.segment_ids or [s for s in (new.segment_id,) if s]
            recorded = statements.name_segments(tx, list(dict.fromkeys(segment_ids)), speaker, caller.name)
        admit(tx, console.settings.console, recorded.collection or "", NAMING)
        return announced(tx, recorded, speaker)


@router.post("/v1/rejections", status_code=202)
def reject(console: ConsoleDep, caller: Labeller, new: NewRejection) -> LabelRecorded:
    """Write down that a segment is not a speaker's; from now on nothing gives it to them."""
    with console.database.begin() as tx:
        speaker_id = people.speaker_named(tx, new.speaker)
        recorded = statements.reject_segment(tx, new.segment_id, speaker_id, caller.name)
        return announced(tx, recorded, new.speaker)


@router.post("/v1/labels/{label_id}/undo", status_code=202)
def undo(console: ConsoleDep, caller: Labeller, label_id: UUID) -> LabelUndone:
    """Take a statement back, with everything that followed from it; undoing that brings it again."""
    with console.database.begin() as tx:
        recorded = reversals.undo(tx, label_id, caller.name)
        speaker = people.name_of(tx, recorded.speaker_id) if recorded.speaker_id else None
        entry = announced(tx, recorded, speaker)
        behind = reversals.statement_of(tx, recorded.label_id)
    undone = StatementUndone(
        operation=behind.operation,
        speaker=speaker,
        cluster_id=behind.cluster_id,
        standing=behind.active,
        detail=behind.detail,
    )
    return LabelUndone(**entry.model_dump(), undone=undone)


def announced(tx: Transaction, recorded: Recorded, speaker: str | None) -> LabelRecorded:
    """Publish a statement's events, in its own transaction, and show it."""
    missing = backfills.request_spoken_of(tx, recorded.label_id, recorded.collection)
    publish(tx, [announce(event) for event in (*recorded.events, *missing)])
    return LabelRecorded(
        label_id=recorded.label_id, collection=recorded.collection, speaker=speaker, segments=recorded.n_direct
    )


@router.get("/v1/labels/{label_id}", dependencies=[Depends(Requires("read", "label"))])
def show(console: ConsoleDep, label_id: UUID) -> LabelShown:
    """Whether it has spread, and how far."""
    with console.database.begin() as tx:
        return LabelShown.model_validate(label_states.label_state(tx, label_id))


@router.get("/v1/collections/{collection}/labels")
def log(
    console: ConsoleDep,
    caller: Reader,
    collection: CollectionName,
    paging: Annotated[Paging, Depends()],
    order: Annotated[Literal["oldest", "newest"], Query(description="which entries come first")] = "oldest",
) -> Page[LabelLogEntry]:
    """The label log, from one end to the other."""
    name = f"labels:{collection}:{order}"
    start = paging.start(name)
    after = None if start is None else time_and_id(start)
    with console.database.begin() as tx:
        collections.get(tx, collection)
        rows = listing_labels.labels(
            tx, collection, caller.collections, newest_first=order == "newest", after=after, most=paging.most
        )
    return paging.page(
        name, rows, LabelLogEntry.model_validate, lambda row: (row.created_at.isoformat(), str(row.label_id))
    )


class NameThen(Shown):
    """Who a segment belonged to at that time."""

    segment_id: UUID
    speaker: str
    assigned_by: str
    confidence: float | None


At = Annotated[Time, Query(description="a time with its offset, such as 2026-11-21T13:00:00Z")]


@router.get("/v1/collections/{collection}/names", dependencies=[Depends(Requires("read"))])
def as_of(
    console: ConsoleDep, collection: CollectionName, at: At, paging: Annotated[Paging, Depends()]
) -> Page[NameThen]:
    """The names of a collection as they were at a time, by segment; a time without an offset is UTC."""
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    name = f"names:{collection}:{at.isoformat()}"
    start = paging.start(name)
    after = UUID(str(start[0])) if start else None
    with console.database.begin() as tx:
        collections.get(tx, collection)
        rows = listing_labels.names_as_of(tx, collection, at, after=after, most=paging.most)
    return paging.page(name, rows, NameThen.model_validate, lambda row: (str(row.segment_id),))
