"""Which collection the things lie in that a request names by their ids."""

from collections.abc import Collection
from typing import Final, Literal
from uuid import UUID

import sqlalchemy as sa

from shared.storage import tables
from shared.storage.database import Transaction

Kind = Literal[
    "archive",
    "backfill",
    "cluster",
    "clustering",
    "comparison",
    "label",
    "recording",
    "review",
    "segment",
    "switch",
]

_KEYS: Final[dict[Kind, sa.Column[UUID]]] = {
    "archive": tables.archive.c.archive_id,
    "backfill": tables.backfill.c.backfill_id,
    "cluster": tables.cluster.c.cluster_id,
    "clustering": tables.clustering.c.request_id,
    "comparison": tables.comparison.c.comparison_id,
    "label": tables.label.c.label_id,
    "recording": tables.recording.c.recording_id,
    "review": tables.review.c.review_id,
    "segment": tables.segment.c.segment_id,
    "switch": tables.encoder_switch.c.switch_id,
}


def collections_of(tx: Transaction, kind: Kind, ids: Collection[UUID]) -> dict[UUID, str | None]:
    """By id; None for a label that concerns all collections. Ids that nothing has are left out."""
    key = _KEYS[kind]
    rows = tx.execute(sa.select(key, key.table.c.collection).where(key == sa.func.any(list(ids))))
    return {found: collection for found, collection in rows}  # noqa: C416  # a Row is no pair to mypy
