"""Write events and their deliveries in the transaction of the state that they announce."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from shared.events import Event
from shared.ids import new_id
from shared.ledger.routes import BY_EVENT
from shared.storage.database import Transaction

PENDING_CHANNEL = "earmark_pending"
EVENTS_CHANNEL = "earmark_events"


@dataclass(frozen=True, slots=True)
class Announcement:
    """An event on its way into the outbox."""

    event: Event
    event_id: UUID
    correlation_id: UUID
    cause: "Cause | None" = None


_ORIGIN: ContextVar[UUID | None] = ContextVar("origin", default=None)


@contextmanager
def correlated(origin: UUID) -> Iterator[None]:
    """Let what is announced meanwhile without a cause belong together, under this id: one request's events, say."""
    token = _ORIGIN.set(origin)
    try:
        yield
    finally:
        _ORIGIN.reset(token)


def announce(event: Event, *, event_id: UUID | None = None, cause: "Cause | None" = None) -> Announcement:
    """Wrap an event; with a content-derived `event_id` it is written once however often it is announced."""
    own_id = event_id or new_id()
    if cause is None:
        return Announcement(event, own_id, _ORIGIN.get() or own_id)
    return Announcement(event, own_id, cause.correlation_id, cause)


@dataclass(frozen=True, slots=True)
class Cause:
    """The event that made another one happen, the chain that both belong to, and the work that was done on it."""

    event_id: UUID
    correlation_id: UUID
    began_at: datetime
    attempt: int


_INSERT_EVENTS = sa.text("""
    INSERT INTO event (event_id, type, source, subject, data, causation_id, correlation_id, began_at, attempt)
    SELECT * FROM unnest(
        CAST(:event_id AS uuid[]), CAST(:type AS text[]), CAST(:source AS text[]), CAST(:subject AS text[]),
        CAST(:data AS jsonb[]), CAST(:causation_id AS uuid[]), CAST(:correlation_id AS uuid[]),
        CAST(:began_at AS timestamptz[]), CAST(:attempt AS int[]))
    ON CONFLICT (event_id) DO NOTHING
    RETURNING event_id
""")

_INSERT_DELIVERIES = sa.text("""
    INSERT INTO delivery (event_id, subscription, collection, n_segments, audio_s)
    SELECT * FROM unnest(
        CAST(:event_id AS uuid[]), CAST(:subscription AS text[]), CAST(:collection AS text[]),
        CAST(:n_segments AS int[]), CAST(:audio_s AS real[]))
""")


def publish(tx: Transaction, announcements: Sequence[Announcement]) -> int:
    """Write the events that are new, and a delivery for each of their subscriptions; returns how many were new."""
    if not announcements:
        return 0
    written = set(
        tx.execute(
            _INSERT_EVENTS,
            {
                "event_id": [a.event_id for a in announcements],
                "type": [a.event.type for a in announcements],
                "source": [f"earmark/{a.event.service}" for a in announcements],
                "subject": [a.event.subject() for a in announcements],
                "data": [a.event.model_dump_json() for a in announcements],
                "causation_id": [a.cause and a.cause.event_id for a in announcements],
                "correlation_id": [a.correlation_id for a in announcements],
                "began_at": [a.cause and a.cause.began_at for a in announcements],
                "attempt": [a.cause and a.cause.attempt for a in announcements],
            },
        ).scalars()
    )
    deliveries = [(a, s) for a in announcements if a.event_id in written for s in BY_EVENT[a.event.type]]
    if deliveries:
        tx.execute(
            _INSERT_DELIVERIES,
            {
                "event_id": [a.event_id for a, _ in deliveries],
                "subscription": [s.name for _, s in deliveries],
                "collection": [a.event.of_collection() for a, _ in deliveries],
                "n_segments": [a.event.weight_segments() for a, _ in deliveries],
                "audio_s": [a.event.weight_audio_s() for a, _ in deliveries],
            },
        )
    _ring(tx, pending=bool(deliveries))
    return len(written)


_RING = sa.text("SELECT pg_notify(:events, ''), CASE WHEN :pending THEN pg_notify(:channel, '') END")


def _ring(tx: Transaction, *, pending: bool) -> None:
    """Both doorbells in one round trip: this runs in every commit of every handler."""
    tx.execute(_RING, {"events": EVENTS_CHANNEL, "channel": PENDING_CHANNEL, "pending": pending})
