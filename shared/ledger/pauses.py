"""Pauses: collections and stages that the relay leaves alone until somebody lets them go on.

A row that stands until it is taken away, so that a pause outlasts restarts. What is queued or in work ends. Erasures go
on (`Subscription.pausable`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.errors import Conflict, NotFound
from shared.events import WorkPaused, WorkResumed
from shared.ledger.outbox import PENDING_CHANNEL, announce, publish
from shared.ledger.routes import BY_NAME, SUBSCRIPTIONS
from shared.storage.database import Transaction, notify
from shared.storage.tables import pause as pause_table

Kind = Literal["collection", "stage"]

SERVICES: Final = tuple(sorted({s.name.partition(".")[0] for s in SUBSCRIPTIONS}))
STAGES: Final = (*SERVICES, *(s.name for s in SUBSCRIPTIONS))
"""What can be paused beside collections: all that a service does, or one of its subscriptions."""


class UnknownStage(NotFound):
    """A stage is `ingest`, `embedder`, `clusterer`, or one of the subscriptions that `earmark status` lists."""

    code = "unknown_stage"


class NotPausable(Conflict):
    """What was erased goes whatever is paused; pause another stage."""

    code = "not_pausable"


@dataclass(frozen=True, slots=True)
class Pause:
    """What is paused, since when, and who said so."""

    kind: Kind
    name: str
    paused_at: datetime
    paused_by: str


def pause(tx: Transaction, kind: Kind, name: str, by: str) -> Pause:
    """Push nothing more of it; a pause that stands already stays as it is. Raises UnknownStage, NotPausable."""
    _check(kind, name)
    if kind == "stage" and not is_pausable(name):
        raise NotPausable(f"{name} cannot be paused.")
    values = {"kind": kind, "name": name, "paused_by": by}
    fresh = insert(pause_table).values(values).on_conflict_do_nothing().returning(pause_table.c.name)
    if tx.execute(fresh).one_or_none():
        publish(tx, [announce(WorkPaused.model_validate({kind: name}))])
    (standing,) = [one for one in listing(tx) if (one.kind, one.name) == (kind, name)]
    return standing


def resume(tx: Transaction, kind: Kind, name: str) -> bool:
    """Let it go on; returns whether it was paused. Raises UnknownStage."""
    _check(kind, name)
    gone = sa.delete(pause_table).where(pause_table.c.kind == kind, pause_table.c.name == name)
    resumed = tx.execute(gone).rowcount > 0
    if resumed:
        publish(tx, [announce(WorkResumed.model_validate({kind: name}))])
    notify(tx, PENDING_CHANNEL)
    return resumed


def listing(tx: Transaction, within: Collection[str] | None = None) -> list[Pause]:
    """All of them, the oldest first; or those of stages and of some collections."""
    rows = tx.execute(sa.select(pause_table).order_by(pause_table.c.paused_at)).mappings()
    found = [Pause(**row) for row in rows]
    return [one for one in found if within is None or one.kind == "stage" or one.name in within]


def touching(tx: Transaction, collection: str) -> list[Pause]:
    """Those that hold up work of a collection: its own, and those of stages."""
    return [one for one in listing(tx) if one.kind == "stage" or one.name == collection]


def covers(pauses: list[Pause], stage: str) -> bool:
    """Whether a subscription is paused, by its own name or with its service."""
    return is_pausable(stage) and any(
        one.kind == "stage" and one.name in {stage, stage.partition(".")[0]} for one in pauses
    )


def holding(pauses: list[Pause], stage: str, collection: str | None) -> Pause | None:
    """The first of them that keeps work of a subscription on a collection from being begun."""
    if not is_pausable(stage):
        return None
    return next(
        (one for one in pauses if covers([one], stage) or (one.kind, one.name) == ("collection", collection)), None
    )


def is_pausable(stage: str) -> bool:
    """Whether a pause holds it: what was erased goes whatever is paused."""
    return stage not in BY_NAME or BY_NAME[stage].pausable


def _check(kind: Kind, name: str) -> None:
    if kind == "stage" and name not in STAGES:
        raise UnknownStage(f"No stage {name!r}.")
