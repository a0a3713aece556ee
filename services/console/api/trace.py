"""What followed from an upload or a call, and how long it took."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from services.console.api.shapes import Shown
from services.console.auth import Reader
from services.console.deps import ConsoleDep
from shared.ledger import chains

router = APIRouter(tags=["events"])


class OpenDeliveryShown(Shown):
    """Work on an event that is not done; `paused` is what keeps it from being begun: a collection, or a stage."""

    subscription: str
    state: str
    attempt: int
    age_s: float
    error_code: str | None
    paused: str | None


class StepShown(Shown):
    """An event; the work that announced it began after its cause had `waited_s`, and took `worked_s`."""

    event_id: UUID
    type: str
    subject: str
    occurred_at: datetime
    causation_id: UUID | None
    waited_s: float | None
    worked_s: float | None
    attempt: int | None
    code: str | None = Field(description="why, of what refused something")
    open: list[OpenDeliveryShown]


class LinkShown(Shown):
    """A chain beside this one: the upload of what a label is about, or a label on what was uploaded."""

    correlation_id: UUID
    type: str
    subject: str
    occurred_at: datetime


class ChainShown(Shown):
    """Events in their order, a thousand at most."""

    correlation_id: UUID
    steps: list[StepShown]
    links: list[LinkShown]


@router.get("/v1/trace")
def trace(
    console: ConsoleDep,
    _: Reader,
    of: Annotated[
        str,
        Query(min_length=1, max_length=1100, description="a correlation id; an object's key; or the id of a thing"),
    ],
) -> ChainShown:
    """The newest chain of events that the id or key belongs to."""
    with console.database.begin() as tx:
        return ChainShown.model_validate(chains.chain(tx, of))
