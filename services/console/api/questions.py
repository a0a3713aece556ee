"""What to label next."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from services.console.api.shapes import CollectionName, Shown
from services.console.auth import Labeller, Requires
from services.console.deps import ConsoleDep
from shared.storage import collections, questions

router = APIRouter(tags=["labels"])


class QuestionShown(Shown):
    """A segment to have named: it settles `expected_resolved` segments on average; `reason` says why this one."""

    segment_id: UUID
    object_key: str | None
    start_s: float
    end_s: float
    cluster_id: UUID | None
    suggestion: str | None
    suggestion_probability: float | None
    expected_resolved: float
    why: str
    reason: str
    n_segments: int


class QuestionsShown(Shown):
    """The best first; not `fresh` while the newest labels are still being thought over."""

    items: list[QuestionShown]
    fresh: bool


@router.get("/v1/collections/{collection}/next", dependencies=[Depends(Requires("read", "label"))])
def ask(
    console: ConsoleDep, collection: CollectionName, limit: Annotated[int, Query(ge=1, le=200)] = 10
) -> QuestionsShown:
    """The segments whose label would resolve most."""
    with console.database.begin() as tx:
        collections.get(tx, collection)
        return QuestionsShown.model_validate(questions.read(tx, collection, limit))


@router.post("/v1/segments/{segment_id}/skip", status_code=204)
def skip(console: ConsoleDep, caller: Labeller, segment_id: UUID) -> None:
    """Do not ask about this segment again."""
    with console.database.begin() as tx:
        questions.skip(tx, segment_id, caller.name)
