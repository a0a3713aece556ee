"""Whether a collection may be given more work now, and when to ask again if not. What lies in the bucket only waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from shared.ledger.load import RATE_S
from shared.ledger.routes import SUBSCRIPTIONS
from shared.storage.database import Transaction

EVERYTHING: Final = tuple(s.name for s in SUBSCRIPTIONS)

_SHORTEST_S: Final = 1.0
_LONGEST_S: Final = 300.0
_UNKNOWN_S: Final = 30.0  # nothing was done in the last minute: paused, or without workers
_SLACK: Final = 0.1  # of the cap: who comes back finds room for more than one call


@dataclass(frozen=True, slots=True)
class Overload:
    """So many deliveries wait, at least; in `retry_after_s` there should be room again at the rate of now."""

    waiting: int
    retry_after_s: float


# Counts as far as it matters, off the index: a million waiting cost no more than twice the cap.
_WAITING = sa.text("""
    SELECT count(*) FROM (
        SELECT FROM delivery
        WHERE state = 'pending' AND subscription = ANY(CAST(:subscriptions AS text[])) AND collection = :collection
        LIMIT :most
    ) AS counted
""")
# By the second since the first of them: work that has just begun is not slow.
_RATE = sa.text("""
    SELECT coalesce(sum(n) / greatest(1, extract(epoch FROM clock_timestamp() - min(at))), 0) FROM drained
    WHERE at > statement_timestamp() - make_interval(secs => :rate_s)
      AND subscription = ANY(CAST(:subscriptions AS text[])) AND collection = :collection
""")


def overload(tx: Transaction, collection: str, subscriptions: Sequence[str], cap: int) -> Overload | None:
    """How far the deliveries of these subscriptions that wait for a collection's turn are above a cap, if they are."""
    values = {"collection": collection, "subscriptions": list(subscriptions)}
    waiting = int(tx.execute(_WAITING, {**values, "most": 2 * cap + 1}).scalar_one())
    if waiting <= cap:
        return None
    rate = float(tx.execute(_RATE, {**values, "rate_s": RATE_S}).scalar_one())
    return Overload(waiting, retry_after_s(waiting - (1 - _SLACK) * cap, rate))


def retry_after_s(surplus: float, per_s: float) -> float:
    """When a surplus will be gone, within sensible bounds."""
    return min(_LONGEST_S, max(_SHORTEST_S, surplus / per_s)) if per_s > 0 else _UNKNOWN_S
