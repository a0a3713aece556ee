"""Why a segment carries its name."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Depends

from services.console.api.shapes import Shown
from services.console.auth import Requires
from services.console.deps import ConsoleDep
from shared.storage import explain

router = APIRouter(tags=["segments"])


class WordShown(Shown):
    """What a person said: the last reason of every name."""

    label_id: UUID
    operation: str
    actor: str
    said_at: datetime
    speaker: str | None
    segment_id: UUID | None
    cluster_id: UUID | None


class VoiceNamed(Shown):
    """A speaker whom people named in a cluster, and in how many of its segments."""

    speaker: str
    segments: int


class ClusterHolding(Shown):
    """The standing cluster that holds the segment, and whom people named in it, most first.

    Of several `named` a member without a word of its own follows the nearest.
    """

    cluster_id: UUID
    segments: int
    cohesion: float
    probability: float
    named: list[VoiceNamed]


class EnrolmentShown(Shown):
    """By how many labelled segments the voice is known, and the latest words that gave it those."""

    segments: int
    words: list[WordShown]


class ChangeShown(Shown):
    """One change of the segment's name, and the entry of the log that made it."""

    label_id: UUID
    at: datetime
    speaker: str | None
    assigned_by: str | None
    confidence: float | None
    operation: str
    actor: str


class WhyShown(Shown):
    """The name of a segment and the chain that leads to it; without a name, whom it may belong to."""

    segment_id: UUID
    speaker: str | None
    assigned_by: str | None
    confidence: float | None
    because: WordShown | None
    cluster: ClusterHolding | None
    enrolment: EnrolmentShown | None
    suggestion: str | None
    suggestion_probability: float | None
    rejected: list[str]
    history: list[ChangeShown]


@router.get("/v1/segments/{segment_id}/why", dependencies=[Depends(Requires("read"))])
def why(console: ConsoleDep, segment_id: UUID) -> WhyShown:
    """The chain from the name down to what a person said, and every change on the way."""
    with console.database.begin() as tx:
        return WhyShown.model_validate(explain.why(tx, segment_id))
