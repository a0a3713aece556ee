"""Name the speaker of a segment or of a cluster, and follow how the name spreads."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import model_validator

from services.console.api.shapes import (
    Asked,
    CollectionName,
    Page,
    Paging,
    Shown,
    SpeakerName,
    check_speaker,
    time_and_id,
)
from services.console.auth import Labeller, Requires
from services.console.deps import ConsoleDep
from shared.ledger.outbox import announce, publish
from shared.storage import collections, labels, listing, overview

router = APIRouter(tags=["labels"])


class NewLabel(Asked):
    """Who speaks in a segment, or in a cluster."""

    segment_id: UUID | None = None
    cluster_id: UUID | None = None
    speaker: SpeakerName

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.segment_id is None) == (self.cluster_id is None):
            raise ValueError("name either segment_id or cluster_id")
        return self


class LabelRecorded(Shown):
    """The label stands in the log; `segments` carry the name by it directly."""

    label_id: UUID
    collection: str
    speaker: str
    segments: int


class LabelShown(Shown):
    """How far a label has got; `propagated` received the name from it in the background."""

    label_id: UUID
    collection: str
    state: Literal["recorded", "propagated"]
    segments: int
    propagated: int


class LabelLogEntry(Shown):
    """An entry of the label log; `segments` is how many it changed."""

    label_id: UUID
    operation: str
    speaker: str | None
    segment_id: UUID | None
    cluster_id: UUID | None
    actor: str
    cause_id: UUID | None
    detail: dict[str, Any]
    segments: int
    created_at: datetime


@router.post("/v1/labels", status_code=202)
def record(console: ConsoleDep, caller: Labeller, new: NewLabel) -> LabelRecorded:
    """Write it down; spreading it follows in the background."""
    speaker = check_speaker(new.speaker)
    with console.database.begin() as tx:
        recorded = labels.record(
            tx, speaker=speaker, actor=caller.name, segment_id=new.segment_id, cluster_id=new.cluster_id
        )
        publish(tx, [announce(recorded.event)])
    return LabelRecorded(
        label_id=recorded.label_id, collection=recorded.collection, speaker=speaker, segments=recorded.n_direct
    )


@router.get("/v1/labels/{label_id}", dependencies=[Depends(Requires("read", "label"))])
def show(console: ConsoleDep, label_id: UUID) -> LabelShown:
    """Whether it has spread, and how far."""
    with console.database.begin() as tx:
        return LabelShown.model_validate(overview.label(tx, label_id))


@router.get("/v1/collections/{collection}/labels", dependencies=[Depends(Requires("read"))])
def log(console: ConsoleDep, collection: CollectionName, paging: Annotated[Paging, Depends()]) -> Page[LabelLogEntry]:
    """The label log, oldest entry first."""
    name = f"labels:{collection}"
    start = paging.start(name)
    after = {} if start is None else {"after": time_and_id(start)}
    with console.database.begin() as tx:
        collections.get(tx, collection)
        rows = listing.labels(tx, collection, most=paging.most, **after)
    return paging.page(
        name, rows, LabelLogEntry.model_validate, lambda row: (row.created_at.isoformat(), str(row.label_id))
    )
