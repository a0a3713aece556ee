"""Arrivals that matched no cluster: each waits for the next ones once, and stays unassigned after that."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.storage.database import Transaction
from shared.storage.tables import deferred


def defer(tx: Transaction, collection: str, encoder: str, segment_ids: Sequence[UUID]) -> None:
    """Let these be looked at once more."""
    if segment_ids:
        rows = [{"encoder": encoder, "segment_id": s, "collection": collection} for s in sorted(segment_ids)]
        tx.execute(insert(deferred).values(rows).on_conflict_do_nothing())


def take(tx: Transaction, collection: str, encoder: str) -> list[UUID]:
    """Those that wait; they wait no longer."""
    gone = sa.delete(deferred).where(deferred.c.collection == collection, deferred.c.encoder == encoder)
    return sorted(tx.execute(gone.returning(deferred.c.segment_id)).scalars())
