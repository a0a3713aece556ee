"""The maintained (sum, count) of each speaker's labelled vectors, as a back-end turns them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from jaxtyping import Float32, Float64, Int64
from psycopg import sql

from shared.storage import segments
from shared.storage.database import Transaction, driver
from shared.storage.embeddings import copy_out, partition
from shared.storage.encoders import StoredEncoder

Turn = Callable[[Float32[np.ndarray, "rows dim"]], Float64[np.ndarray, "rows dim"]]
"""Makes scored rows of unit rows."""

# What a rule guessed from a centroid must not move that centroid: identified segments do not count.
_LABELLED = sql.SQL("""
    SELECT e.segment_id, e.vector FROM assignment a JOIN {partition} e USING (segment_id)
    WHERE a.collection = {collection} AND a.speaker_id = {speaker_id}
      AND a.assigned_by IN ('human', 'import', 'cluster')
    ORDER BY e.segment_id
""")
_DELETE = sa.text("""
    DELETE FROM centroid WHERE collection = :collection AND encoder_id = :encoder_id AND speaker_id = ANY(:ids)
""")
_INSERT = sa.text("""
    INSERT INTO centroid (collection, encoder_id, speaker_id, vector_sum, n, seconds)
    VALUES (:collection, :encoder_id, :speaker_id, :vector_sum, :n, :seconds)
""")
_STORED = np.dtype("<f8")


def refresh_centroids(
    tx: Transaction, collection: str, encoder: StoredEncoder, speaker_ids: Sequence[UUID], turn: Turn
) -> None:
    """Make (sum, count) of these speakers equal to their labelled vectors again, added up in the order of segments."""
    key = {"collection": collection, "encoder_id": encoder.encoder_id}
    tx.execute(_DELETE, {**key, "ids": list(speaker_ids)})
    for speaker_id in speaker_ids:
        query = _LABELLED.format(
            partition=partition(encoder), collection=sql.Literal(collection), speaker_id=sql.Literal(speaker_id)
        )
        labelled = copy_out(tx, encoder, query)
        if len(labelled.ids):
            total = turn(labelled.rows).sum(axis=0)
            durations_s = segments.durations_s(tx, labelled.segment_ids())
            values = {
                "speaker_id": speaker_id,
                "vector_sum": total.astype(_STORED).tobytes(),
                "n": len(labelled.ids),
                "seconds": float(durations_s.sum()),
            }
            tx.execute(_INSERT, {**key, **values})


@dataclass(frozen=True, slots=True)
class Centroids:
    """Sums, counts and durations of labelled vectors: row i belongs to `speaker_ids[i]`."""

    speaker_ids: tuple[UUID, ...]
    sums: Float64[np.ndarray, "speakers dim"]
    counts: Int64[np.ndarray, " speakers"]
    seconds: Float64[np.ndarray, " speakers"]

    def of(self, speaker_ids: set[UUID]) -> "Centroids":
        """Those of some of the speakers."""
        kept = [i for i, s in enumerate(self.speaker_ids) if s in speaker_ids]
        ids = tuple(self.speaker_ids[i] for i in kept)
        return Centroids(ids, self.sums[kept], self.counts[kept], self.seconds[kept])


# One row for all speakers, and binary: identification reads this for every message.
_CENTROIDS = """
    SELECT array_agg(speaker_id ORDER BY speaker_id), string_agg(vector_sum, '' ORDER BY speaker_id),
           array_agg(n ORDER BY speaker_id), array_agg(seconds ORDER BY speaker_id)
    FROM centroid WHERE collection = %s AND encoder_id = %s
"""


def centroids(tx: Transaction, collection: str, encoder: StoredEncoder) -> Centroids:
    """Those of all named speakers of a collection, ordered by id."""
    with driver(tx).cursor(binary=True) as cursor:
        found = cursor.execute(_CENTROIDS, (collection, encoder.encoder_id)).fetchone()
    speaker_ids, stored, counts, durations_s = found if found and found[0] else ([], b"", [], [])
    sums = np.frombuffer(stored, _STORED).reshape(len(speaker_ids), encoder.dimension)
    return Centroids(tuple(speaker_ids), sums, np.array(counts, np.int64), np.array(durations_s, np.float64))


_NAMED = sa.text("SELECT DISTINCT speaker_id FROM assignment WHERE collection = :collection")
_ENROLLED = sa.text("SELECT speaker_id FROM centroid WHERE collection = :collection AND encoder_id = :encoder_id")


def named(tx: Transaction, collection: str) -> set[UUID]:
    """Everybody who has a segment in a collection."""
    return set(tx.execute(_NAMED, {"collection": collection}).scalars())


_SPOKEN_OF = sa.text("""
    SELECT DISTINCT speaker_id FROM assignment WHERE collection = :collection AND assigned_by <> 'identification'
""")


def spoken_of(tx: Transaction, collection: str) -> set[UUID]:
    """Everybody who has a segment that people, imports or clusters gave to them."""
    return set(tx.execute(_SPOKEN_OF, {"collection": collection}).scalars())


def enrolled(tx: Transaction, collection: str, encoder: StoredEncoder) -> set[UUID]:
    """Everybody whose voice is kept."""
    return set(tx.execute(_ENROLLED, {"collection": collection, "encoder_id": encoder.encoder_id}).scalars())
