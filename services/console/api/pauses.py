"""Pauses: let a collection, or a stage of the work, rest until somebody lets it go on."""

from datetime import datetime
from typing import Literal, Self

from fastapi import APIRouter
from pydantic import Field, model_validator

from services.console.api.shapes import Asked, Shown
from services.console.auth import Admin, Reader
from services.console.deps import ConsoleDep
from shared.ledger import pauses
from shared.ledger.pauses import Kind
from shared.storage import collections
from shared.storage.database import Transaction

router = APIRouter(tags=["status"])


class Pausable(Asked):
    """One of the two: a collection, or a stage, which is a service (`ingest`) or a subscription (`ingest.register`)."""

    collection: str | None = Field(None, examples=["meetings"])
    stage: str | None = Field(None, examples=["embedder"])

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.collection is None and self.stage is None:
            raise ValueError("name a collection or a stage")
        if self.collection is not None and self.stage is not None:
            raise ValueError("name only one of them, a collection or a stage")
        return self

    def named(self) -> tuple[Kind, str]:
        """Which of the two, and its name."""
        return ("collection", self.collection) if self.collection is not None else ("stage", str(self.stage))


class PauseShown(Shown):
    """What rests, since when, and who said so."""

    kind: Literal["collection", "stage"]
    name: str
    paused_at: datetime
    paused_by: str


class Resumed(Shown):
    """Whether it had been paused; because of `held_by`, other pauses, it or a part of it rests all the same."""

    resumed: bool
    held_by: list[PauseShown]


@router.post("/v1/pauses")
def pause(console: ConsoleDep, caller: Admin, wanted: Pausable) -> PauseShown:
    """Start nothing more of it; what is in work, or about to be, ends. It lasts until it is resumed."""
    with console.database.begin() as tx:
        kind, name = wanted.named()
        if kind == "collection":
            collections.get(tx, name)
        return PauseShown.model_validate(pauses.pause(tx, kind, name, caller.name))


@router.post("/v1/pauses/resume")
def resume(console: ConsoleDep, _: Admin, wanted: Pausable) -> Resumed:
    """Let it go on where it stopped."""
    kind, name = wanted.named()
    with console.database.begin() as tx:
        resumed = pauses.resume(tx, kind, name)
        if kind == "collection" and not resumed:
            collections.get(tx, name)  # raises, if that is why
        return Resumed(resumed=resumed, held_by=_held_by(tx, kind, name))


def _held_by(tx: Transaction, kind: Kind, name: str) -> list[PauseShown]:
    """Of a collection those of stages; of a stage those of its service, and those of its subscriptions."""
    return [
        PauseShown.model_validate(one)
        for one in pauses.listing(tx)
        if one.kind == "stage"
        and (kind == "collection" or pauses.covers([one], name) or one.name.startswith(f"{name}."))
    ]


@router.get("/v1/pauses")
def listing(console: ConsoleDep, _: Reader) -> list[PauseShown]:
    """What rests, the longest first."""
    with console.database.begin() as tx:
        return [PauseShown.model_validate(one) for one in pauses.listing(tx)]
