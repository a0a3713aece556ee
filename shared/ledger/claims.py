"""The states of a delivery and every way from one to the next, as SQL under a fence.

pending -> queued (relay) -> leased (claim) -> gone (done) | pending (released) | dead (given up). The fence rises at
each claim; whoever comes back from a freeze with an old fence can change nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.ledger.outbox import PENDING_CHANNEL, Cause
from shared.settings import LedgerSettings
from shared.storage.database import Transaction, notify

MAX_ERROR_CHARS = 2000
_ASK_AGAIN = 10  # times of coming back: after 15 minutes, then every 50


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """One delivery that this process holds until `lease_until`, with the event it carries, not yet parsed."""

    event_id: UUID
    subscription: str
    attempt: int
    deferrals: int
    fence: int
    type: str
    data: dict[str, Any]
    correlation_id: UUID
    occurred_at: datetime
    claimed_at: datetime

    @property
    def asking(self) -> int:
        """Rises now and then: what the delivery waits for is asked for again, should nobody work at it any more."""
        return self.deferrals // _ASK_AGAIN

    def as_cause(self) -> Cause:
        """What the events that follow from this one name as their cause."""
        return Cause(self.event_id, self.correlation_id, self.claimed_at, self.attempt)


_CLAIM = sa.text("""
    WITH taken AS (
        UPDATE delivery SET state = 'leased', attempt = attempt + 1, fence = fence + 1,
               lease_until = clock_timestamp() + make_interval(secs => :lease_s)
        WHERE event_id = ANY(CAST(:event_ids AS uuid[])) AND subscription = :subscription AND state = 'queued'
          AND (attempt < 2 OR cardinality(CAST(:event_ids AS uuid[])) = 1)  -- what failed twice travels alone
        RETURNING event_id, subscription, attempt, deferrals, fence, clock_timestamp() AS claimed_at
    )
    SELECT taken.*, event.type, event.data, event.correlation_id, event.occurred_at
    FROM taken JOIN event USING (event_id)
    -- The queue has become shallower: the relay may push the next message.
    CROSS JOIN LATERAL (SELECT pg_notify(:channel, '')) AS doorbell
    ORDER BY event.seq
""")


def claim(tx: Transaction, subscription: str, event_ids: Sequence[UUID], lease_s: float) -> list[Claim]:
    """Lease those of the deliveries that nobody else took; the attempt counts before the work, so a crash counts."""
    values = {"event_ids": list(event_ids), "subscription": subscription, "lease_s": lease_s}
    return [Claim(**row) for row in tx.execute(_CLAIM, {**values, "channel": PENDING_CHANNEL}).mappings()]


_RENEW = sa.text("""
    UPDATE delivery SET lease_until = clock_timestamp() + make_interval(secs => :lease_s)
    FROM unnest(CAST(:event_ids AS uuid[]), CAST(:fences AS bigint[])) AS mine(event_id, fence)
    WHERE delivery.event_id = mine.event_id AND subscription = :subscription
      AND delivery.fence = mine.fence AND state = 'leased'
""")


def renew(tx: Transaction, claims: Sequence[Claim], lease_s: float) -> None:
    """Hold on for another `lease_s` seconds to whatever is still ours."""
    if claims:
        tx.execute(_RENEW, {**_fenced(claims), "lease_s": lease_s})


_FINISH = sa.text("""
    WITH gone AS (
        DELETE FROM delivery
        USING unnest(CAST(:event_ids AS uuid[]), CAST(:fences AS bigint[])) AS mine(event_id, fence)
        WHERE delivery.event_id = mine.event_id AND subscription = :subscription
          AND delivery.fence = mine.fence AND state = 'leased'
        RETURNING subscription, collection
    ), noted AS (
        INSERT INTO drained (subscription, collection, n)
        SELECT subscription, collection, count(*) FROM gone GROUP BY 1, 2
    )
    SELECT count(*) FROM gone
""")


def finish(tx: Transaction, claims: Sequence[Claim]) -> int:
    """Delete the deliveries that are still ours; fewer than `claims` means that the fence was lost."""
    if not claims:
        return 0
    return int(tx.execute(_FINISH, _fenced(claims)).scalar_one())


_RELEASE = sa.text("""
    UPDATE delivery SET
        state = CASE WHEN NOT :blameless AND (:hopeless OR attempt >= :attempts_before_dead) THEN 'dead'
                ELSE 'pending' END,
        attempt = CASE WHEN :blameless THEN attempt - 1 ELSE attempt END,
        deferrals = CASE WHEN :blameless THEN deferrals + 1 ELSE deferrals END,
        not_before = clock_timestamp() + make_interval(secs => least(:cap_s,
            :base_s * 2 ^ least(20, (CASE WHEN :blameless THEN deferrals ELSE attempt - 1 END)))
            * (0.75 + 0.5 * random())),
        lease_until = NULL, message_id = NULL, error_code = :code, last_error = :error
    FROM unnest(CAST(:event_ids AS uuid[]), CAST(:fences AS bigint[])) AS mine(event_id, fence)
    WHERE delivery.event_id = mine.event_id AND subscription = :subscription
      AND delivery.fence = mine.fence AND state = 'leased'
    RETURNING state
""")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a delivery goes back: `blameless` keeps its attempts, `hopeless` gives it up at once."""

    code: str
    error: str
    blameless: bool = False
    hopeless: bool = False


def release(tx: Transaction, claims: Sequence[Claim], failure: Failure, settings: LedgerSettings) -> list[str]:
    """Hand deliveries back with backoff, or bury them after their last attempt; returns the states they are in."""
    if not claims:
        return []
    states = tx.execute(
        _RELEASE,
        {
            **_fenced(claims),
            "blameless": failure.blameless,
            "hopeless": failure.hopeless,
            "attempts_before_dead": settings.attempts_before_dead,
            "base_s": settings.backoff_base_s,
            "cap_s": settings.backoff_cap_s,
            "code": failure.code,
            "error": failure.error.replace("\x00", "")[:MAX_ERROR_CHARS],
        },
    )
    notify(tx, PENDING_CHANNEL)
    return list(states.scalars())


def _fenced(claims: Sequence[Claim]) -> dict[str, Any]:
    return {
        "event_ids": [c.event_id for c in claims],
        "fences": [c.fence for c in claims],
        "subscription": claims[0].subscription,
    }
