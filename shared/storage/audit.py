"""The audit log: who made which changing call, when and from where. Holds no bodies, names or texts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.storage.database import Transaction
from shared.storage.tables import audit_entry


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the API that changes something, or tried to."""

    actor: str
    address: str | None
    method: str
    route: str
    collection: str | None
    ids: dict[str, Any]
    status: int
    correlation_id: UUID


@dataclass(frozen=True, slots=True)
class Entry(Call):
    """A call as it stands in the log."""

    seq: int
    at: datetime


def write(tx: Transaction, call: Call) -> None:
    """Append it."""
    values = {name: getattr(call, name) for name in Call.__dataclass_fields__}
    tx.execute(sa.insert(audit_entry).values(values))


def listing(
    tx: Transaction,
    *,
    collection: str | None = None,
    since: datetime | None = None,
    before: int | None = None,
    most: int,
) -> list[Entry]:
    """The newest first, from the entry `before` on."""
    query = sa.select(*(audit_entry.c[name] for name in Entry.__dataclass_fields__)).order_by(audit_entry.c.seq.desc())
    if collection is not None:
        query = query.where(audit_entry.c.collection == collection)
    if since is not None:
        query = query.where(audit_entry.c.at >= since)
    if before is not None:
        query = query.where(audit_entry.c.seq < before)
    return [Entry(**row) for row in tx.execute(query.limit(most)).mappings()]


def expire(tx: Transaction, keep_days: float) -> int:
    """Delete what is older; returns how many entries those were."""
    oldest = sa.func.clock_timestamp() - timedelta(days=keep_days)
    return tx.execute(sa.delete(audit_entry).where(audit_entry.c.at < oldest)).rowcount
