"""What was given up, why, and the way back."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from shared.errors import Conflict
from shared.ledger.outbox import PENDING_CHANNEL
from shared.storage.database import Transaction, notify


class UnfinishedErasure(Conflict):
    """An erasure is not given up: mend what its error says, and requeue it (`earmark dead requeue`)."""

    code = "unfinished_erasure"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One delivery that failed for good."""

    event_id: UUID
    subscription: str
    type: str
    subject: str
    attempt: int
    error_code: str | None
    last_error: str | None
    created_at: datetime


_LIST = sa.text("""
    SELECT d.event_id, d.subscription, e.type, e.subject, d.attempt, d.error_code, d.last_error, d.created_at
    FROM delivery d JOIN event e USING (event_id)
    WHERE d.state = 'dead' AND (CAST(:within AS text[]) IS NULL OR d.collection = ANY(CAST(:within AS text[])))
    ORDER BY d.created_at LIMIT :most
""")


def listing(tx: Transaction, most: int = 1000, within: Collection[str] | None = None) -> list[DeadLetter]:
    """The dead letters, oldest first; None is of all collections, and of what belongs to none."""
    values = {"most": most, "within": None if within is None else list(within)}
    return [DeadLetter(**row) for row in tx.execute(_LIST, values).mappings()]


_OF_SUBSCRIPTION = sa.text("""
    SELECT DISTINCT ON (e.subject) d.event_id, d.subscription, e.type, e.subject, d.attempt, d.error_code, d.last_error,
           d.created_at
    FROM delivery d JOIN event e USING (event_id) WHERE d.state = 'dead' AND d.subscription = :subscription
    ORDER BY e.subject, d.created_at DESC
""")


def by_subject(tx: Transaction, subscription: str) -> dict[str, DeadLetter]:
    """The newest dead letter of each subject of one subscription."""
    found = tx.execute(_OF_SUBSCRIPTION, {"subscription": subscription}).mappings()
    return {row["subject"]: DeadLetter(**row) for row in found}


def requeue(tx: Transaction, event_ids: list[UUID]) -> int:
    """Give them all their attempts again."""
    done = tx.execute(
        sa.text("""
            UPDATE delivery SET state = 'pending', attempt = 0, deferrals = 0, not_before = clock_timestamp()
            WHERE state = 'dead' AND event_id = ANY(:ids)
        """),
        {"ids": event_ids},
    ).rowcount
    notify(tx, PENDING_CHANNEL)
    return done


_ERASURES = sa.text("""
    SELECT count(*) FROM delivery WHERE state = 'dead' AND event_id = ANY(:ids) AND subscription = 'ingest.erase'
""")


def drop(tx: Transaction, event_ids: list[UUID]) -> int:
    """Forget them; the events stay in the log. Raises UnfinishedErasure."""
    if tx.execute(_ERASURES, {"ids": event_ids}).scalar_one():
        raise UnfinishedErasure("What was erased has not left the bucket and the log yet.")
    return tx.execute(
        sa.text("DELETE FROM delivery WHERE state = 'dead' AND event_id = ANY(:ids)"), {"ids": event_ids}
    ).rowcount
