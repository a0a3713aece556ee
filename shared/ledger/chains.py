"""Chains of events: what followed from an upload or a call, how long each step waited and took, what is still open.

A delivery leaves no row behind: how long work took is known where an event followed from it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from shared.errors import NotFound
from shared.events import LabelRecorded, RecordingRegistered
from shared.ledger import pauses
from shared.storage.database import Transaction

MOST_STEPS: Final = 1000
_MOST_LINKS: Final = 20


class UnknownChain(NotFound):
    """Name an object's key, or the id of a chain, event, recording, segment or label; `earmark events` lists events,
    and `earmark archives --refused -c COLLECTION` the members of archives that were refused.

    What nobody has seen in the bucket yet has no chain.
    """

    code = "unknown_chain"


@dataclass(frozen=True, slots=True)
class OpenDelivery:
    """Work on an event that is not done; `paused` is the name of what keeps it from being begun."""

    subscription: str
    state: str
    attempt: int
    age_s: float
    error_code: str | None
    paused: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """An event; its work began when its cause had waited so long, in the attempt of that number, and took so long."""

    event_id: UUID
    type: str
    subject: str
    occurred_at: datetime
    causation_id: UUID | None
    waited_s: float | None
    worked_s: float | None
    attempt: int | None
    code: str | None
    """Why, of what refused something."""
    open: list[OpenDelivery] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Link:
    """A chain beside this one: the upload of what a label is about, or a label on what was uploaded."""

    correlation_id: UUID
    type: str
    subject: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Chain:
    """Its events in their order, MOST_STEPS at most, and the chains beside it."""

    correlation_id: UUID
    steps: list[Step]
    links: list[Link]


def chain(tx: Transaction, of: str) -> Chain:
    """The newest chain that the id or key belongs to. Raises UnknownChain."""
    correlation_id = _of_id(tx, UUID(of)) if _is_id(of) else _newest(tx, [of])
    if correlation_id is None:
        raise UnknownChain(f"Nothing is known of {of!r}.")
    steps = _steps(tx, correlation_id)
    links = {link.correlation_id: link for link in (*_uploads(tx, steps), *_labels(tx, steps))}
    links.pop(correlation_id, None)
    return Chain(correlation_id, steps, list(links.values()))


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


_ITSELF = sa.text("""
    SELECT correlation_id FROM event WHERE correlation_id = :id
    UNION ALL SELECT correlation_id FROM event WHERE event_id = :id LIMIT 1
""")
_RECORDING = sa.text("SELECT recording_id FROM segment WHERE segment_id = :id")
_NEWEST = sa.text("""
    SELECT correlation_id FROM event WHERE subject = ANY(CAST(:subjects AS text[])) AND subject <> ''
    ORDER BY causation_id IS NULL DESC, xid DESC, seq DESC LIMIT 1
""")


def _of_id(tx: Transaction, own_id: UUID) -> UUID | None:
    found: UUID | None = tx.execute(_ITSELF, {"id": own_id}).scalar_one_or_none()
    if found is not None:
        return found
    recording_id = tx.execute(_RECORDING, {"id": own_id}).scalar_one_or_none()
    if recording_id is not None:
        return _registered(tx, recording_id)
    return _newest(tx, [str(own_id)])


_REGISTERED = sa.text("""
    SELECT correlation_id FROM event WHERE subject = :subject AND subject <> '' AND type = :type
    ORDER BY xid DESC, seq DESC LIMIT 1
""")


def _registered(tx: Transaction, recording_id: UUID) -> UUID | None:
    values = {"subject": str(recording_id), "type": RecordingRegistered.type}
    found: UUID | None = tx.execute(_REGISTERED, values).scalar_one_or_none()
    return found


def _newest(tx: Transaction, subjects: Sequence[str]) -> UUID | None:
    """That which begins with it, if one does: a recording is the subject of later chains, too."""
    found: UUID | None = tx.execute(_NEWEST, {"subjects": list(subjects)}).scalar_one_or_none()
    return found


_STEPS = sa.text("""
    SELECT e.event_id, e.type, e.subject, e.occurred_at, e.causation_id, e.attempt, e.data->>'code' AS code,
           extract(epoch FROM e.began_at - cause.occurred_at)::float AS waited_s,
           extract(epoch FROM e.occurred_at - e.began_at)::float AS worked_s
    FROM event e LEFT JOIN event cause ON cause.event_id = e.causation_id
    WHERE e.correlation_id = :correlation_id ORDER BY e.xid, e.seq LIMIT :most
""")
_OPEN = sa.text("""
    SELECT event_id, subscription, state, attempt, error_code, collection,
           extract(epoch FROM clock_timestamp() - created_at)::float AS age_s
    FROM delivery WHERE event_id = ANY(:event_ids) ORDER BY subscription
""")


_BEYOND = sa.text("""
    SELECT EXISTS (SELECT FROM event WHERE correlation_id = :correlation_id
                   AND coalesce(data->>'collection', '') <> ALL(CAST(:allowed AS text[])))
""")


def leads_beyond(tx: Transaction, correlation_id: UUID, allowed: Collection[str]) -> bool:
    """Whether an event of the chain happened outside of these collections, or in none."""
    values = {"correlation_id": correlation_id, "allowed": list(allowed)}
    return bool(tx.execute(_BEYOND, values).scalar_one())


def _steps(tx: Transaction, correlation_id: UUID) -> list[Step]:
    rows = tx.execute(_STEPS, {"correlation_id": correlation_id, "most": MOST_STEPS}).mappings()
    steps = {row["event_id"]: Step(**row) for row in rows}
    standing = pauses.listing(tx)
    for row in tx.execute(_OPEN, {"event_ids": list(steps)}).mappings():
        values = dict(row)
        step, collection = steps[values.pop("event_id")], values.pop("collection")
        held = row["state"] == "pending" and pauses.holding(standing, row["subscription"], collection)
        step.open.append(OpenDelivery(**values, paused=held.name if held else None))
    return list(steps.values())


_UPLOADS = sa.text("""
    SELECT DISTINCT ON (registered.subject)
           registered.correlation_id, registered.type, registered.subject, registered.occurred_at
    FROM event said
    JOIN segment ON segment.segment_id = CAST(said.data->>'segment_id' AS uuid)
    JOIN event registered ON registered.subject = segment.recording_id::text AND registered.subject <> ''
                             AND registered.type = :registered
    WHERE said.event_id = ANY(:event_ids)
    ORDER BY registered.subject, registered.xid DESC, registered.seq DESC LIMIT :most
""")
_LABELS = sa.text("""
    SELECT said.correlation_id, said.type, said.subject, said.occurred_at
    FROM segment
    JOIN label ON label.collection = segment.collection AND label.segment_id = segment.segment_id
    JOIN event said ON said.subject = label.label_id::text AND said.subject <> '' AND said.type = :said
    WHERE segment.recording_id = ANY(CAST(:recordings AS uuid[])) ORDER BY said.xid DESC, said.seq DESC LIMIT :most
""")


def _uploads(tx: Transaction, steps: Sequence[Step]) -> list[Link]:
    said = [step.event_id for step in steps if step.type == LabelRecorded.type]
    values = {"event_ids": said, "registered": RecordingRegistered.type, "most": _MOST_LINKS}
    return [Link(**row) for row in tx.execute(_UPLOADS, values).mappings()] if said else []


def _labels(tx: Transaction, steps: Sequence[Step]) -> list[Link]:
    registered = [step.subject for step in steps if step.type == RecordingRegistered.type]
    values = {"recordings": registered, "said": LabelRecorded.type, "most": _MOST_LINKS}
    return [Link(**row) for row in tx.execute(_LABELS, values).mappings()] if registered else []
