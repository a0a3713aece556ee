"""Work that was given up, and the way back."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import Field

from services.console.api.shapes import Asked, Shown
from services.console.auth import Reader, Requires
from services.console.deps import ConsoleDep
from shared.ledger import dead

router = APIRouter(tags=["dead letters"])


class DeadLetterShown(Shown):
    """One delivery that failed for good, and why."""

    event_id: UUID
    subscription: str
    type: str
    subject: str
    attempt: int
    error_code: str | None
    last_error: str | None
    created_at: datetime


class DeadLetters(Shown):
    """Oldest first, a thousand at most."""

    items: list[DeadLetterShown]


class ChosenEvents(Asked):
    """Events whose dead deliveries are meant."""

    event_ids: Annotated[list[UUID], Field(max_length=10_000)]


class Requeued(Shown):
    """How many deliveries have all their attempts again."""

    requeued: int


class Dropped(Shown):
    """How many deliveries are forgotten."""

    dropped: int


@router.get("/v1/dead")
def listing(console: ConsoleDep, caller: Reader) -> DeadLetters:
    """What was given up."""
    with console.database.begin() as tx:
        found = dead.listing(tx, within=caller.collections)
    return DeadLetters(items=[DeadLetterShown.model_validate(letter) for letter in found])


@router.post("/v1/dead/requeue", dependencies=[Depends(Requires("admin"))])
def requeue(console: ConsoleDep, chosen: ChosenEvents) -> Requeued:
    """Try them again."""
    with console.database.begin() as tx:
        return Requeued(requeued=dead.requeue(tx, chosen.event_ids))


@router.post("/v1/dead/drop", dependencies=[Depends(Requires("admin"))])
def drop(console: ConsoleDep, chosen: ChosenEvents) -> Dropped:
    """Forget the deliveries; the events stay in the log."""
    with console.database.begin() as tx:
        return Dropped(dropped=dead.drop(tx, chosen.event_ids))
