"""Arrivals that matched no cluster: each waits for the next ones once, and stays unassigned after that."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from shared.storage.database import Transaction
from shared.storage.tables import deferred

_DEFER = sa.text("""
    INSERT INTO deferred (encoder, segment_id, collection)
    SELECT :encoder, segment_id, :collection FROM segment WHERE segment_id = ANY(:ids) ORDER BY segment_id
    ON CONFLICT DO NOTHING
""")


def defer(tx: Transaction, collection: str, encoder: str, segment_ids: Sequence[UUID]) -> None:
    """Let those of these that still stand be looked at once more."""
    if segment_ids:
        tx.execute(_DEFER, {"encoder": encoder, "collection": collection, "ids": list(segment_ids)})


def take(tx: Transaction, collection: str, encoder: str) -> list[UUID]:
    """Those that wait; they wait no longer."""
    gone = sa.delete(deferred).where(deferred.c.collection == collection, deferred.c.encoder == encoder)
    return sorted(tx.execute(gone.returning(deferred.c.segment_id)).scalars())
