"""Take a segment apart by hand."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from services.console.api.shapes import Asked, Shown
from services.console.auth import Labeller
from services.console.deps import ConsoleDep
from shared.ledger.outbox import announce, publish
from shared.storage import splits
from shared.units import seconds

router = APIRouter(tags=["segments"])

Point = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class WantedSplit(Asked):
    """Where to cut: in seconds from the start of the recording, as segments are listed."""

    at_s: Annotated[list[Point], Field(min_length=1, max_length=1000, examples=[[12.4]])]


class PartShown(Shown):
    """A segment that stands in the place of the one that was split."""

    segment_id: UUID
    start_s: float
    end_s: float


class SplitDone(Shown):
    """The segment `removed` stands no longer; its parts are being embedded."""

    recording_id: UUID
    removed: UUID
    parts: list[PartShown]


@router.post("/v1/segments/{segment_id}/split", status_code=201)
def split(console: ConsoleDep, caller: Labeller, segment_id: UUID, wanted: WantedSplit) -> SplitDone:
    """Put its parts in the place of a segment. They have no name and no text until somebody or something gives one."""
    most = console.settings.ledger.segments_per_event
    with console.database.begin() as tx:
        done = splits.split(tx, segment_id, wanted.at_s, caller.name, most)
        publish(tx, [announce(event) for event in (done.removed, *done.requested)])
    parts = [
        PartShown(segment_id=p.segment_id, start_s=seconds(p.start_sample), end_s=seconds(p.end_sample))
        for p in done.parts
    ]
    return SplitDone(recording_id=done.removed.recording_id, removed=segment_id, parts=parts)
