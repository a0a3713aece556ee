"""The maintained (sum, count) of each speaker's labelled vectors, and who is named so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from jaxtyping import Float64, Int64
from psycopg import sql

from shared.storage.database import Transaction, driver
from shared.storage.embeddings import copy_out, partition
from shared.storage.encoders import StoredEncoder

# What a rule guessed from a centroid must not move that centroid: identified segments do not count.
_LABELLED = sql.SQL("""
    SELECT a.speaker_id, e.vector FROM assignment a JOIN {partition} e USING (segment_id)
    WHERE a.collection = {collection} AND a.speaker_id = ANY({speaker_ids})
      AND a.assigned_by IN ('human', 'import', 'cluster')
    ORDER BY a.speaker_id, a.segment_id
""")
_DELETE = sa.text("""
    DELETE FROM centroid WHERE collection = :collection AND encoder_id = :encoder_id AND speaker_id = ANY(:ids)
""")
_INSERT = sa.text("""
    INSERT INTO centroid (collection, encoder_id, speaker_id, vector_sum, n)
    SELECT :collection, :encoder_id, * FROM unnest(CAST(:ids AS uuid[]), CAST(:sums AS bytea[]), CAST(:counts AS int[]))
""")
_STORED = np.dtype("<f8")


def refresh_centroids(tx: Transaction, collection: str, encoder: StoredEncoder, speaker_ids: Sequence[UUID]) -> None:
    """Make (sum, count) of these speakers equal to their labelled vectors again."""
    query = _LABELLED.format(
        partition=partition(encoder), collection=sql.Literal(collection), speaker_ids=sql.Literal(list(speaker_ids))
    )
    labelled = copy_out(tx, encoder, query)
    # (labelled, dim) -> (speakers, dim): rows of one speaker stand together
    distinct, starts, counts = np.unique(labelled.ids.view("V16").ravel(), return_index=True, return_counts=True)
    key = {"collection": collection, "encoder_id": encoder.encoder_id}
    tx.execute(_DELETE, {**key, "ids": list(speaker_ids)})
    if not len(distinct):
        return
    order = np.argsort(starts)
    sums = np.add.reduceat(labelled.rows.astype(np.float64), starts[order])
    values = {
        "ids": [UUID(bytes=distinct[i].tobytes()) for i in order],
        "sums": [total.astype(_STORED).tobytes() for total in sums],
        "counts": [int(counts[i]) for i in order],
    }
    tx.execute(_INSERT, {**key, **values})


@dataclass(frozen=True, slots=True)
class Centroids:
    """Sums and counts of labelled unit vectors: row i belongs to `speaker_ids[i]`."""

    speaker_ids: tuple[UUID, ...]
    sums: Float64[np.ndarray, "speakers dim"]
    counts: Int64[np.ndarray, " speakers"]


# One row for all speakers, and binary: identification reads this for every message.
_CENTROIDS = """
    SELECT array_agg(speaker_id ORDER BY speaker_id), string_agg(vector_sum, '' ORDER BY speaker_id),
           array_agg(n ORDER BY speaker_id)
    FROM centroid WHERE collection = %s AND encoder_id = %s
"""


def centroids(tx: Transaction, collection: str, encoder: StoredEncoder) -> Centroids:
    """Those of all named speakers of a collection, ordered by id."""
    with driver(tx).cursor(binary=True) as cursor:
        found = cursor.execute(_CENTROIDS, (collection, encoder.encoder_id)).fetchone()
    speaker_ids, stored, counts = found if found and found[0] else ([], b"", [])
    sums = np.frombuffer(stored, _STORED).reshape(len(speaker_ids), encoder.dimension)
    return Centroids(tuple(speaker_ids), sums, np.array(counts, np.int64))


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


def speakers_of(tx: Transaction, segment_ids: Sequence[UUID]) -> set[UUID]:
    """The speakers that people or clusters gave to any of these segments."""
    rows = tx.execute(
        sa.text("""
            SELECT DISTINCT speaker_id FROM assignment
            WHERE segment_id = ANY(:ids) AND assigned_by IN ('human', 'import', 'cluster')
        """),
        {"ids": list(segment_ids)},
    )
    return set(rows.scalars())
