"""How much work waits, how long it has waited, and how fast it is done: stage by stage, collection by collection."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from shared.ledger import pauses
from shared.ledger.pauses import Pause
from shared.ledger.routes import SUBSCRIPTIONS
from shared.storage.database import Transaction

REMEMBERED_S: Final = 600.0
RATE_S: Final = 60.0
"""Rates are those of the last minute."""

STATES: Final = ("pending", "queued", "leased", "dead")


@dataclass(frozen=True, slots=True)
class Load:
    """Open deliveries of one stage, which is a subscription, or of one collection (`""`: of none).

    `lag_s` is the age of the oldest of them that is neither done nor dead.
    """

    name: str
    pending: int
    queued: int
    leased: int
    dead: int
    lag_s: float | None
    drained_per_minute: float
    paused: bool


@dataclass(frozen=True, slots=True)
class Loads:
    """The same deliveries summed up both ways: all stages in their order, the collections largest first.

    `oldest_s` is the `lag_s` of the stages without the collections that are paused: what is meant to be worked on.
    `resting` has, by collection, how many deliveries wait that a pause of it holds.
    """

    stages: list[Load]
    collections: list[Load]
    oldest_s: dict[str, float]
    resting: dict[str, int]

    def backlog(self) -> dict[str, int]:
        """How many deliveries are in each state."""
        return {state: sum(getattr(one, state) for one in self.stages) for state in STATES}

    def held(self, pause: Pause) -> int:
        """How many deliveries a pause keeps from being sent."""
        if pause.kind == "collection":
            return self.resting.get(pause.name, 0)
        return sum(one.pending for one in self.stages if pauses.covers([pause], one.name))


# Every open delivery is read, once.
_OPEN = sa.text("""
    SELECT subscription, collection, state, count(*) AS n,
           greatest(0, extract(epoch FROM clock_timestamp() - min(created_at)))::float AS age_s
    FROM delivery GROUP BY 1, 2, 3
""")
_DRAINED = sa.text("""
    SELECT subscription, collection, sum(n) * 60 / :rate_s AS per_minute FROM drained
    WHERE at > statement_timestamp() - make_interval(secs => :rate_s) GROUP BY 1, 2
""")


def measure(tx: Transaction, within: Collection[str] | None = None) -> Loads:
    """What is open now, everywhere or in some collections."""
    opened = [row for row in tx.execute(_OPEN) if within is None or row.collection in within]
    drained = [row for row in tx.execute(_DRAINED, {"rate_s": RATE_S}) if within is None or row.collection in within]
    paused = pauses.listing(tx, within)
    held = {one.name for one in paused if one.kind == "collection"}
    # Those of a newer version, whose processes work side by side with this one, come last.
    known = dict.fromkeys([*(s.name for s in SUBSCRIPTIONS), *sorted({row.subscription for row in opened})])
    oldest_s: dict[str, float] = {}
    resting = Counter[str]()
    for row in opened:
        if row.state != "dead" and row.collection not in held:
            oldest_s[row.subscription] = max(row.age_s, oldest_s.get(row.subscription, 0.0))
        if row.state == "pending" and row.collection in held and pauses.is_pausable(row.subscription):
            resting[row.collection] += row.n
    by_stage, done_by_stage = _by("subscription", opened), _by("subscription", drained)
    stages = [_sum(name, by_stage, done_by_stage, paused=pauses.covers(paused, name)) for name in known]
    by_collection, done_by_collection = _by("collection", opened), _by("collection", drained)
    names = by_collection.keys() | held
    found = [_sum(name, by_collection, done_by_collection, paused=name in held) for name in names]
    largest_first = sorted(found, key=lambda one: (-one.pending - one.queued - one.leased, one.name))
    return Loads(stages, largest_first, oldest_s, resting)


def _by(what: str, rows: Sequence[Any]) -> dict[str, list[Any]]:
    found = defaultdict(list)
    for row in rows:
        found[getattr(row, what)].append(row)
    return dict(found)


def _sum(name: str, opened: dict[str, list[Any]], drained: dict[str, list[Any]], *, paused: bool) -> Load:
    own = opened.get(name, [])
    counts = {state: sum(row.n for row in own if row.state == state) for state in STATES}
    return Load(
        name,
        **counts,
        lag_s=max((row.age_s for row in own if row.state != "dead"), default=None),
        drained_per_minute=float(sum(row.per_minute for row in drained.get(name, []))),
        paused=paused,
    )
