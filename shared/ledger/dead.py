"""What was given up, why, and the way back."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from shared.errors import Conflict
from shared.ledger.outbox import PENDING_CHANNEL
from shared.storage.database import Transaction, notify


class UnfinishedErasure(Conflict):
    """An erasure is not given up: mend what its error says, and requeue it (`earmark dead requeue`)."""

    code = "unfinished_erasure"


_UNFINISHED: Final = "What was erased has not left the bucket and the log yet."


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


@dataclass(frozen=True, slots=True)
class Kind:
    """Dead letters that failed alike, and the oldest of them."""

    n: int
    subscription: str
    error_code: str | None
    last_error: str | None
    since: datetime


@dataclass(frozen=True, slots=True)
class Chosen:
    """The dead letters that fit all of what is said; of none it is all of them."""

    code: str | None = None
    subscription: str | None = None
    collection: str | None = None
    within: Collection[str] | None = None
    """Collections; None is of all of them, and of what belongs to none."""

    def values(self) -> dict[str, object]:
        """As parameters of a statement."""
        within = None if self.within is None else list(self.within)
        return {
            "code": self.code,
            "subscription": self.subscription,
            "collection": self.collection,
            "within": within,
        }


Key = tuple[UUID, str]
"""Of a delivery: its event and its subscription."""

EVERY: Final = Chosen()
_FIRST: Final[Key] = (UUID(int=0), "")
_FIRST_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CHOSEN: Final = """
    d.state = 'dead'
      AND (CAST(:code AS text) IS NULL OR d.error_code = :code)
      AND (CAST(:subscription AS text) IS NULL OR d.subscription = :subscription)
      AND (CAST(:collection AS text) IS NULL OR d.collection = :collection)
      AND (CAST(:within AS text[]) IS NULL OR d.collection = ANY(CAST(:within AS text[])))
"""
_LIST = sa.text(f"""
    SELECT d.event_id, d.subscription, e.type, e.subject, d.attempt, d.error_code, d.last_error, d.created_at
    FROM delivery d JOIN event e USING (event_id)
    WHERE {_CHOSEN} AND (d.created_at, d.event_id, d.subscription) > (:created_at, :event_id, :after_subscription)
    ORDER BY d.created_at, d.event_id, d.subscription LIMIT :most
""")  # noqa: S608  # constants


def listing(
    tx: Transaction, most: int = 1000, chosen: Chosen = EVERY, after: tuple[datetime, UUID, str] | None = None
) -> list[DeadLetter]:
    """The dead letters, oldest first; `after` the creation, the event and the subscription of one of them."""
    created_at, event_id, subscription = after or (_FIRST_TIME, *_FIRST)
    place = {"created_at": created_at, "event_id": event_id, "after_subscription": subscription}
    return [DeadLetter(**row) for row in tx.execute(_LIST, {**chosen.values(), **place, "most": most}).mappings()]


_KINDS = sa.text(f"""
    SELECT count(*) AS n, d.subscription, d.error_code, d.last_error, min(d.created_at) AS since,
           CAST(sum(count(*)) OVER () AS bigint) AS n_letters, count(*) OVER () AS n_kinds
    FROM delivery d WHERE {_CHOSEN}
    GROUP BY d.subscription, d.error_code, d.last_error ORDER BY n DESC, since, subscription, error_code, last_error
    LIMIT :most
""")  # noqa: S608  # constants


@dataclass(frozen=True, slots=True)
class Kinds:
    """The most frequent kinds first, not all of them perhaps; how many letters and kinds there are."""

    items: list[Kind]
    n_letters: int
    n_kinds: int


def kinds(tx: Transaction, chosen: Chosen = EVERY, most: int = 1000) -> Kinds:
    """Equal failures counted together: of one subscription, with one code and one message."""
    rows = tx.execute(_KINDS, {**chosen.values(), "most": most}).all()
    items = [Kind(row.n, row.subscription, row.error_code, row.last_error, row.since) for row in rows]
    return Kinds(items, rows[0].n_letters, rows[0].n_kinds) if rows else Kinds([], 0, 0)


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


_AGAIN: Final = "state = 'pending', attempt = 0, deferrals = 0, not_before = clock_timestamp()"


def requeue(tx: Transaction, event_ids: list[UUID]) -> int:
    """Give them all their attempts again."""
    done = tx.execute(
        sa.text(f"UPDATE delivery SET {_AGAIN} WHERE state = 'dead' AND event_id = ANY(:ids)"),  # noqa: S608  # constants
        {"ids": event_ids},
    ).rowcount
    notify(tx, PENDING_CHANNEL)
    return done


_ERASURE_AMONG_IDS = sa.text("""
    SELECT EXISTS (SELECT FROM delivery WHERE state = 'dead' AND event_id = ANY(:ids) AND subscription = 'ingest.erase')
""")


def drop(tx: Transaction, event_ids: list[UUID]) -> int:
    """Forget them; the events stay in the log. Raises UnfinishedErasure."""
    if tx.execute(_ERASURE_AMONG_IDS, {"ids": event_ids}).scalar_one():
        raise UnfinishedErasure(_UNFINISHED)
    return tx.execute(
        sa.text("DELETE FROM delivery WHERE state = 'dead' AND event_id = ANY(:ids)"), {"ids": event_ids}
    ).rowcount


# By key: however many there are, each is come by once, and whoever else does this locks them in the same order.
_PORTION: Final = f"""
    SELECT d.event_id, d.subscription FROM delivery d
    WHERE {_CHOSEN} AND (d.event_id, d.subscription) > (:event_id, :after_subscription)
    ORDER BY d.event_id, d.subscription LIMIT :most FOR UPDATE
"""  # noqa: S608  # constants
_REQUEUE = sa.text(f"""
    WITH portion AS MATERIALIZED ({_PORTION}), done AS (
        UPDATE delivery SET {_AGAIN} FROM portion p
        WHERE (delivery.event_id, delivery.subscription) = (p.event_id, p.subscription)
    )
    SELECT event_id, subscription FROM portion ORDER BY event_id, subscription
""")  # noqa: S608  # constants
_DROP = sa.text(f"""
    WITH portion AS MATERIALIZED ({_PORTION}), done AS (
        DELETE FROM delivery USING portion p
        WHERE (delivery.event_id, delivery.subscription) = (p.event_id, p.subscription)
          AND delivery.subscription <> 'ingest.erase'
    )
    SELECT event_id, subscription FROM portion ORDER BY event_id, subscription
""")  # noqa: S608  # constants
_ERASURE_AMONG_CHOSEN = sa.text(f"""
    SELECT EXISTS (SELECT FROM delivery d WHERE {_CHOSEN} AND d.subscription = 'ingest.erase')
""")  # noqa: S608  # constants


@dataclass(frozen=True, slots=True)
class Portion:
    """So many were seen to; there may be more `after` this one."""

    n: int
    after: Key | None


def requeue_portion(tx: Transaction, chosen: Chosen, after: Key | None, most: int) -> Portion:
    """Give some of those that were chosen all their attempts again. The row locks of one portion are held at a time."""
    done = _portion(tx, _REQUEUE, chosen, after, most)
    notify(tx, PENDING_CHANNEL)
    return done


def drop_portion(tx: Transaction, chosen: Chosen, after: Key | None, most: int) -> Portion:
    """Forget some of those that were chosen. Raises UnfinishedErasure if there is an erasure among all of them."""
    if tx.execute(_ERASURE_AMONG_CHOSEN, chosen.values()).scalar_one():
        raise UnfinishedErasure(_UNFINISHED)
    return _portion(tx, _DROP, chosen, after, most)


def _portion(tx: Transaction, statement: sa.TextClause, chosen: Chosen, after: Key | None, most: int) -> Portion:
    event_id, subscription = after or _FIRST
    place = {"event_id": event_id, "after_subscription": subscription, "most": most}
    keys = tx.execute(statement, {**chosen.values(), **place}).all()
    return Portion(len(keys), (keys[-1].event_id, keys[-1].subscription) if len(keys) == most else None)
