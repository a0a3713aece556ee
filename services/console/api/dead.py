"""Work that was given up, and the way back."""

from datetime import datetime
from typing import Annotated, Final, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field, model_validator

from services.console.api.shapes import Asked, Page, Paging, Shown, time_and_id
from services.console.auth import Reader, Requires
from services.console.cursors import Place
from services.console.deps import Console, ConsoleDep
from shared.ledger import dead
from shared.ledger.dead import EVERY, Chosen, DeadLetter, Key, Portion
from shared.ledger.pauses import UnknownStage
from shared.ledger.routes import BY_NAME
from shared.storage import collections
from shared.storage.database import Transaction

router = APIRouter(tags=["dead letters"])

PORTION: Final = 5000
"""So many deliveries are requeued or dropped in one transaction, and by one request."""

Name = Annotated[str, Field(max_length=1000)]


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


class DeadKind(Shown):
    """Dead letters that failed alike; `since` when the oldest of them was announced."""

    n: int
    subscription: str
    error_code: str | None
    last_error: str | None
    since: datetime


class DeadKinds(Shown):
    """The most frequent first, a thousand at most of `n_kinds`; `n_letters` are of all kinds."""

    items: list[DeadKind]
    n_letters: int
    n_kinds: int


class ChosenLetters(Asked):
    """Which dead deliveries are meant: those of these events, or all that fit what else is said.

    Those that fit are seen to in portions: while an answer has a `next`, send the same again with it as `after`.
    """

    event_ids: Annotated[list[UUID], Field(max_length=10_000)] | None = None
    code: Name | None = None
    subscription: Name | None = None
    collection: Name | None = None
    after: Annotated[str, Field(max_length=4000)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        """Nobody requeues or drops everything by leaving things out."""
        fits = self.fitting() != EVERY
        if fits == (self.event_ids is not None):
            raise ValueError("name either event_ids, or a code, a subscription or a collection")
        if self.after is not None and not fits:
            raise ValueError("after goes with a code, a subscription or a collection")
        return self

    def fitting(self) -> Chosen:
        """Those that fit."""
        return Chosen(self.code, self.subscription, self.collection)


class Requeued(Shown):
    """How many deliveries have all their attempts again; with a `next`, there are more that fit."""

    requeued: int
    next: str | None = None


class Dropped(Shown):
    """How many deliveries are forgotten; with a `next`, there are more that fit."""

    dropped: int
    next: str | None = None


def _fitting(
    console: ConsoleDep,
    caller: Reader,
    code: Annotated[str | None, Query(description="only with this error code", examples=["missing_model"])] = None,
    subscription: Annotated[str | None, Query(description="only of it", examples=["embedder.embed"])] = None,
    collection: Annotated[str | None, Query(description="only of it", examples=["meetings"])] = None,
) -> Chosen:
    chosen = Chosen(code, subscription, collection, caller.collections)
    with console.database.begin() as tx:
        _check(tx, chosen)
    return chosen


FittingDep = Annotated[Chosen, Depends(_fitting)]


def _paging(
    console: ConsoleDep,
    after: Annotated[str | None, Query(description="`next` of the page before", max_length=4000)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Paging:
    return Paging(console, after, limit)


@router.get("/v1/dead")
def listing(
    console: ConsoleDep, chosen: FittingDep, paging: Annotated[Paging, Depends(_paging)]
) -> Page[DeadLetterShown]:
    """What was given up, oldest first."""
    name = _place_of("dead", chosen)
    start = paging.start(name)
    after = None if start is None else (*time_and_id(start[:2]), str(start[2]))
    with console.database.begin() as tx:
        rows = dead.listing(tx, paging.most, chosen, after)
    return paging.page(name, rows, DeadLetterShown.model_validate, _place)


@router.get("/v1/dead/kinds")
def kinds(console: ConsoleDep, chosen: FittingDep) -> DeadKinds:
    """The same, equal failures counted together."""
    with console.database.begin() as tx:
        return DeadKinds.model_validate(dead.kinds(tx, chosen))


@router.post("/v1/dead/requeue", dependencies=[Depends(Requires("admin"))])
def requeue(console: ConsoleDep, chosen: ChosenLetters) -> Requeued:
    """Try them again."""
    with console.database.begin() as tx:
        if chosen.event_ids is not None:
            return Requeued(requeued=dead.requeue(tx, chosen.event_ids))
        _check_first(tx, chosen)
        done = dead.requeue_portion(tx, chosen.fitting(), _after(console, chosen), PORTION)
    return Requeued(requeued=done.n, next=_next(console, chosen, done))


@router.post("/v1/dead/drop", dependencies=[Depends(Requires("admin"))])
def drop(console: ConsoleDep, chosen: ChosenLetters) -> Dropped:
    """Forget the deliveries; the events stay in the log. Nothing is dropped if an erasure is among them."""
    with console.database.begin() as tx:
        if chosen.event_ids is not None:
            return Dropped(dropped=dead.drop(tx, chosen.event_ids))
        _check_first(tx, chosen)
        done = dead.drop_portion(tx, chosen.fitting(), _after(console, chosen), PORTION)
    return Dropped(dropped=done.n, next=_next(console, chosen, done))


def _check_first(tx: Transaction, chosen: ChosenLetters) -> None:
    """Of what goes on nothing may be left."""
    if chosen.after is None:
        _check(tx, chosen.fitting())


def _check(tx: Transaction, chosen: Chosen) -> None:
    """Raises UnknownCollection, UnknownStage: what is misspelt would fit nothing."""
    if chosen.collection is not None:
        collections.get(tx, chosen.collection)
    named = chosen.subscription
    # An older version may have left letters of one that is no more.
    if named is not None and named not in BY_NAME and not dead.kinds(tx, Chosen(subscription=named), 1).n_letters:
        raise UnknownStage(f"No subscription {named!r}, such as 'embedder.embed' is one.")


def _place(letter: DeadLetter) -> Place:
    return letter.created_at.isoformat(), str(letter.event_id), letter.subscription


def _place_of(listing: str, chosen: Chosen) -> str:
    return f"{listing}:{chosen.code}:{chosen.subscription}:{chosen.collection}"


def _after(console: Console, chosen: ChosenLetters) -> Key | None:
    """Raises BadCursor."""
    if chosen.after is None:
        return None
    event_id, subscription = console.cursors.open(_place_of("dead letters", chosen.fitting()), chosen.after)
    return UUID(str(event_id)), str(subscription)


def _next(console: Console, chosen: ChosenLetters, done: Portion) -> str | None:
    if done.after is None:
        return None
    event_id, subscription = done.after
    return console.cursors.seal(_place_of("dead letters", chosen.fitting()), (str(event_id), subscription))
