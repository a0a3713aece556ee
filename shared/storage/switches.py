"""Switches of the encoder that names speak by: asked for, waiting for vectors, done, and taken back.

Which encoder has left when is in the label log: the entry that changed it says `from` and `to`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa

from shared.errors import Conflict, NotFound, PermanentError
from shared.events import BackfillRequested
from shared.ids import new_id
from shared.storage import backfills, collections, encoders
from shared.storage.database import Transaction
from shared.storage.tables import collection as collection_table
from shared.storage.tables import encoder_switch


class UnknownSwitch(NotFound):
    """Ask for the switch again; its answer holds the id to look up."""

    code = "unknown_switch"


class AlreadyNaming(Conflict):
    """Names are made by this encoder already; `earmark collections show NAME` lists it first."""

    code = "already_naming"


State = Literal["requested", "done", "failed", "superseded"]


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch of a collection to an encoder; `before` and `label_id` are there when it is done."""

    switch_id: UUID
    collection: str
    encoder: str
    backfill_id: UUID
    actor: str
    state: State
    before: str | None
    label_id: UUID | None
    taken_back: bool
    code: str | None
    reason: str | None


_COLUMNS = tuple(encoder_switch.c[name] for name in Switch.__dataclass_fields__)


def _one(tx: Transaction, statement: sa.Select[Any]) -> Switch | None:
    row = tx.execute(statement).one_or_none()
    return Switch(*row) if row else None


def get(tx: Transaction, switch_id: UUID) -> Switch:
    """Raises UnknownSwitch."""
    found = _one(tx, sa.select(*_COLUMNS).where(encoder_switch.c.switch_id == switch_id))
    if found is None:
        raise UnknownSwitch(f"No switch {switch_id}.")
    return found


def newest(tx: Transaction, collection: str) -> Switch | None:
    """The last one that was carried out, whether or not it was taken back since."""
    mine = (encoder_switch.c.collection == collection, encoder_switch.c.state == "done")
    return _one(tx, sa.select(*_COLUMNS).where(*mine).order_by(encoder_switch.c.finished_at.desc()).limit(1))


def waiting(tx: Transaction, backfill_id: UUID) -> Switch | None:
    """The one that waits for a backfill; None if there is none, or if it waits no longer."""
    mine = (encoder_switch.c.backfill_id == backfill_id, encoder_switch.c.state == "requested")
    return _one(tx, sa.select(*_COLUMNS).where(*mine))


def request(tx: Transaction, collection: str, encoder: str, actor: str) -> tuple[Switch, BackfillRequested | None]:
    """Ask for a switch, in the place of another one that is under way; the caller publishes the event, if there is one.

    Asked again while it is under way, or when it is done, it is the same one. Raises UnknownCollection,
    UnknownEncoder, EncoderOfTexts, AlreadyNaming.
    """
    naming = collections.get(tx, collection).encoders[0]
    encoders.check_hears(encoders.by_name(tx, encoder))
    _lock(tx, collection)
    under_way = sa.select(*_COLUMNS).where(
        encoder_switch.c.collection == collection, encoder_switch.c.state == "requested"
    )
    standing = _one(tx, under_way)
    if standing and standing.encoder == encoder:
        return standing, None
    if encoder == naming:
        done = newest(tx, collection)
        if done and done.encoder == encoder and not done.taken_back:
            return done, None
        raise AlreadyNaming(f"{encoder!r} names the speakers of {collection!r}.")
    if standing:
        _settle(tx, standing.switch_id, state="superseded")
    asked = backfills.request(tx, collection, encoder, everything=False)
    switch_id = new_id()
    values = {"collection": collection, "encoder": encoder, "actor": actor, "backfill_id": asked.event.backfill_id}
    tx.execute(sa.insert(encoder_switch).values(switch_id=switch_id, **values))
    return get(tx, switch_id), asked.event


def _lock(tx: Transaction, collection: str) -> None:
    """One switch of a collection at a time is asked for."""
    row = sa.select(collection_table.c.name).where(collection_table.c.name == collection)
    tx.execute(row.with_for_update(key_share=True))


def finish(tx: Transaction, switch_id: UUID, before: str, label_id: UUID) -> None:
    """It is done: `before` named until now."""
    _settle(tx, switch_id, state="done", before=before, label_id=label_id)


def fail(tx: Transaction, switch_id: UUID, error: PermanentError) -> None:
    """It will not be done."""
    _settle(tx, switch_id, state="failed", code=error.code, reason=error.sentence())


def _settle(tx: Transaction, switch_id: UUID, **values: Any) -> None:
    mine = sa.update(encoder_switch).where(encoder_switch.c.switch_id == switch_id)
    tx.execute(mine.values(**values, finished_at=sa.func.clock_timestamp()))


def turn(tx: Transaction, switch_id: UUID, *, taken_back: bool) -> None:
    """Say whether it has been taken back."""
    mine = sa.update(encoder_switch).where(encoder_switch.c.switch_id == switch_id)
    tx.execute(mine.values(taken_back=taken_back))


@dataclass(frozen=True, slots=True)
class Leaving:
    """When an encoder last ceased to name a collection: the entry's place in the log, and its time."""

    seq: int
    at: datetime


_LEFT = sa.text("""
    SELECT seq, created_at FROM label
    WHERE collection = :collection AND operation IN ('switch', 'spread') AND detail->>'from' = :encoder
    ORDER BY seq DESC LIMIT 1
""")


def left(tx: Transaction, collection: str, encoder: str) -> Leaving | None:
    """None for an encoder that has never named it."""
    row = tx.execute(_LEFT, {"collection": collection, "encoder": encoder}).one_or_none()
    return Leaving(row.seq, row.created_at) if row else None


# What people say is followed by a "spread", but so are clusterings and switches that are taken back.
_SAID_SINCE = sa.text("""
    SELECT EXISTS (
        SELECT FROM label l WHERE collection = :collection AND seq > :seq AND operation IN ('spread', 'forget')
          AND NOT EXISTS (SELECT FROM label u WHERE u.label_id = l.cause_id
                          AND u.detail->>'of' IN ('cluster', 'switch')))
""")


def said_since(tx: Transaction, collection: str, seq: int) -> bool:
    """Whether anything that people say has spread behind that place of the log, or segments have gone."""
    return bool(tx.execute(_SAID_SINCE, {"collection": collection, "seq": seq}).scalar_one())


_CLUSTERED_SINCE = sa.text("""
    SELECT EXISTS (SELECT FROM clustering WHERE collection = :collection AND encoder = :encoder
                   AND generation IS NOT NULL AND finished_at > :at)
""")


def clustered_since(tx: Transaction, collection: str, encoder: str, at: datetime) -> bool:
    """Whether an encoder that names nobody has been clustered by since."""
    return bool(tx.execute(_CLUSTERED_SINCE, {"collection": collection, "encoder": encoder, "at": at}).scalar_one())


_UNHEARD = sa.text("""
    SELECT segment_id FROM assignment a
    WHERE collection = :collection AND assigned_by = 'identification' AND seq > :seq
      AND NOT EXISTS (SELECT FROM embedding e WHERE e.encoder_id = :encoder_id AND e.segment_id = a.segment_id)
""")


def unheard(tx: Transaction, collection: str, encoder_id: int, seq: int) -> list[UUID]:
    """Segments that another encoder has identified since, and of which this one has no vector."""
    values = {"collection": collection, "encoder_id": encoder_id, "seq": seq}
    return list(tx.execute(_UNHEARD, values).scalars())
