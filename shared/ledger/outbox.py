"""Write events and their deliveries in the transaction of the state that they announce."""

from collections.abc import Sequence
from dataclasses import dataclass
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
    causation_id: UUID | None = None
    correlation_id: UUID | None = None


def announce(event: Event, *, event_id: UUID | None = None, cause: "Cause | None" = None) -> Announcement:
    """Wrap an event; with a content-derived `event_id` it is written once however often it is announced."""
    own_id = event_id or new_id()
    if cause is None:
        return Announcement(event, own_id, None, own_id)
    return Announcement(event, own_id, cause.event_id, cause.correlation_id)


@dataclass(frozen=True, slots=True)
class Cause:
    """The event that made another one happen, and the one at the beginning of their chain."""

    event_id: UUID
    correlation_id: UUID


_INSERT_EVENTS = sa.text("""
    INSERT INTO event (event_id, type, source, subject, data, causation_id, correlation_id)
    SELECT * FROM unnest(
        CAST(:event_id AS uuid[]), CAST(:type AS text[]), CAST(:source AS text[]), CAST(:subject AS text[]),
        CAST(:data AS jsonb[]), CAST(:causation_id AS uuid[]), CAST(:correlation_id AS uuid[]))
    ON CONFLICT (event_id) DO NOTHING
    RETURNING event_id
""")

_INSERT_DELIVERIES = sa.text("""
    INSERT INTO delivery (event_id, subscription, n_segments, audio_s)
    SELECT * FROM unnest(
        CAST(:event_id AS uuid[]), CAST(:subscription AS text[]), CAST(:n_segments AS int[]), CAST(:audio_s AS real[]))
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
                "causation_id": [a.causation_id for a in announcements],
                "correlation_id": [a.correlation_id or a.event_id for a in announcements],
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
