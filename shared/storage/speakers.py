"""The maintained (sum, count) of each speaker's labelled vectors, and who is named so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from jaxtyping import Float64, Int64

from shared.storage.database import Transaction
from shared.storage.encoders import StoredEncoder

# What a rule guessed from a centroid must not move that centroid: identified segments do not count.
_REFRESH = sa.text("""
    WITH gone AS (
        DELETE FROM centroid WHERE collection = :collection AND encoder_id = :encoder_id AND speaker_id = ANY(:ids)
    )
    SELECT a.speaker_id, sum(e.vector)::real[]::double precision[] AS vector_sum, count(*) AS n
    FROM assignment a JOIN embedding e USING (segment_id)
    WHERE a.collection = :collection AND a.speaker_id = ANY(:ids) AND e.encoder_id = :encoder_id
      AND a.assigned_by IN ('human', 'import', 'cluster')
    GROUP BY a.speaker_id
""")
_INSERT = sa.text("""
    INSERT INTO centroid (collection, encoder_id, speaker_id, vector_sum, n)
    VALUES (:collection, :encoder_id, :speaker_id, :vector_sum, :n)
""")


def refresh_centroids(tx: Transaction, collection: str, encoder: StoredEncoder, speaker_ids: Sequence[UUID]) -> None:
    """Make (sum, count) of these speakers equal to their labelled vectors again."""
    key = {"collection": collection, "encoder_id": encoder.encoder_id}
    rows = tx.execute(_REFRESH, {**key, "ids": list(speaker_ids)}).mappings().all()
    if rows:
        tx.execute(_INSERT, [{**key, **row} for row in rows])


@dataclass(frozen=True, slots=True)
class Centroids:
    """Sums and counts of labelled unit vectors: row i belongs to `speaker_ids[i]`."""

    speaker_ids: tuple[UUID, ...]
    sums: Float64[np.ndarray, "speakers dim"]
    counts: Int64[np.ndarray, " speakers"]


def centroids(tx: Transaction, collection: str, encoder: StoredEncoder) -> Centroids:
    """Those of all named speakers of a collection, ordered by id."""
    rows = tx.execute(
        sa.text("""
            SELECT speaker_id, vector_sum, n FROM centroid
            WHERE collection = :collection AND encoder_id = :encoder_id ORDER BY speaker_id
        """),
        {"collection": collection, "encoder_id": encoder.encoder_id},
    ).all()
    sums = np.array([row.vector_sum for row in rows], np.float64).reshape(len(rows), encoder.dimension)
    return Centroids(tuple(row.speaker_id for row in rows), sums, np.array([row.n for row in rows], np.int64))


@dataclass(frozen=True, slots=True)
class Named:
    """A segment that has a speaker."""

    segment_id: UUID
    speaker_id: UUID
    assigned_by: str


def named_segments(tx: Transaction, collection: str) -> dict[UUID, Named]:
    """Every named segment of a collection."""
    rows = tx.execute(
        sa.text("SELECT segment_id, speaker_id, assigned_by FROM assignment WHERE collection = :collection"),
        {"collection": collection},
    )
    return {row.segment_id: Named(*row) for row in rows}
