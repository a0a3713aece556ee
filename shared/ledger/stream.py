"""Read the events as a stream that skips nothing.

`id > last` would skip events of transactions that committed late. A reader here only goes up to the oldest transaction
that is still running: everything below it has either committed or never will.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from shared.errors import NotFound
from shared.events import OF_STAGES, CloudEvent
from shared.storage.database import Transaction


class UnknownPosition(NotFound):
    """The stream cannot resume after that event, it is gone; read the present state and start without Last-Event-ID."""

    code = "unknown_position"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the stream: events at or before it have been read."""

    xid: int
    seq: int


_NOW = sa.text("SELECT (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint - 1")
_AFTER = sa.text("""
    SELECT event_id, type, source, subject, occurred_at, causation_id, correlation_id, data, xid, seq FROM event
    WHERE (xid, seq) > (:xid, :seq) AND xid < (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint
    ORDER BY xid, seq LIMIT :most
""")
_OF = sa.text("SELECT xid, seq FROM event WHERE event_id = :event_id")
_LAST_SEQ = 2**63 - 1


def beginning() -> Position:
    """Before the first event."""
    return Position(0, 0)


def present(tx: Transaction) -> Position:
    """After everything that has been committed for certain."""
    return Position(int(tx.execute(_NOW).scalar_one()), _LAST_SEQ)


def after_event(tx: Transaction, event_id: UUID) -> Position:
    """Just after one event; raises UnknownPosition."""
    row = tx.execute(_OF, {"event_id": event_id}).one_or_none()
    if row is None:
        raise UnknownPosition(f"No event {event_id}.")
    return Position(row.xid, row.seq)


_NEWEST = sa.text("""
    SELECT xid, seq FROM (
        SELECT xid, seq FROM event
        WHERE xid < (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint
          AND (CAST(:types AS text[]) IS NULL OR type = ANY(:types))
          AND (CAST(:collection AS text) IS NULL OR data->>'collection' = :collection
               OR data->>'collection' = '' AND type = ANY(:of_stages))
        ORDER BY xid DESC, seq DESC LIMIT :n
    ) AS newest ORDER BY xid, seq LIMIT 1
""")


def before_newest(
    tx: Transaction, n: int, types: Iterable[str] | None = None, collection: str | None = None
) -> Position:
    """Just before the newest n events of these types and this collection, or however many there are."""
    values = {
        "n": n,
        "types": None if types is None else list(types),
        "collection": collection,
        "of_stages": list(OF_STAGES),
    }
    row = tx.execute(_NEWEST, values).one_or_none()
    return present(tx) if row is None else Position(row.xid, row.seq - 1)


def read(tx: Transaction, position: Position, most: int = 500) -> tuple[list[CloudEvent], Position]:
    """The next events in order, and the position after them."""
    rows = tx.execute(_AFTER, {"xid": position.xid, "seq": position.seq, "most": most}).all()
    events = [
        CloudEvent(
            id=row.event_id,
            source=row.source,
            type=row.type,
            subject=row.subject,
            time=row.occurred_at,
            correlationid=row.correlation_id,
            causationid=row.causation_id,
            data=row.data,
        )
        for row in rows
    ]
    return events, Position(rows[-1].xid, rows[-1].seq) if rows else position
