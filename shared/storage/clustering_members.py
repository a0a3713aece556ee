"""Who is in which cluster of a clustering that does not stand, such as that of a subset."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from jaxtyping import Float64, Int64
from numpy import ndarray

from shared.storage import places
from shared.storage.database import Transaction

# Of one subset and encoder only the newest clustering keeps its members.
_FORGET = sa.text("""
    DELETE FROM clustering_member m USING clustering c, clustering n
    WHERE n.request_id = :request_id AND m.request_id = c.request_id AND c.request_id <> n.request_id
      AND (c.collection, c.encoder, c.asked->>'subset_id') = (n.collection, n.encoder, n.asked->>'subset_id')
""")
_WRITE = sa.text("""
    INSERT INTO clustering_member (request_id, segment_id, cluster, probability)
    SELECT :request_id, n.segment_id, nullif(n.cluster, -1), n.probability
    FROM unnest(CAST(:ids AS uuid[]), CAST(:clusters AS int[]), CAST(:probabilities AS real[]))
         AS n(segment_id, cluster, probability)
    JOIN segment USING (segment_id)
""")


def write(
    tx: Transaction,
    request_id: UUID,
    segment_ids: Sequence[UUID],
    labels: Int64[ndarray, " segments"],
    probabilities: Float64[ndarray, " segments"],
) -> None:
    """Keep the cluster of each segment, -1 for none, in the place of an earlier clustering of the same."""
    tx.execute(_FORGET, {"request_id": request_id})
    found = {"ids": list(segment_ids), "clusters": labels.tolist(), "probabilities": probabilities.tolist()}
    tx.execute(_WRITE, {"request_id": request_id, **found})


# Now, while those that were clustered were counted then: who asks for the outcome does so at once.
_WITHOUT_VECTOR = sa.text("""
    SELECT CASE WHEN count(*) > 0 THEN greatest(0, count(*) - min(c.n_segments)) END
    FROM clustering c JOIN segment s USING (collection)
    WHERE c.request_id = :request_id AND c.n_segments IS NOT NULL
      AND (c.asked->>'subset_id' IS NULL OR s.recording_id IN (
          SELECT recording_id FROM subset_member WHERE subset_id = CAST(c.asked->>'subset_id' AS uuid)))
""")


def without_vector(tx: Transaction, request_id: UUID) -> int | None:
    """How many segments of the collection, or of the subset, could not be clustered; None before it is done."""
    found: int | None = tx.execute(_WITHOUT_VECTOR, {"request_id": request_id}).scalar_one()
    return found


@dataclass(frozen=True, slots=True)
class Member:
    """A segment, and the number of its cluster; None: it is in none."""

    segment_id: UUID
    recording_id: UUID
    object_key: str | None
    start_s: float
    end_s: float
    text: str | None
    cluster: int | None
    probability: float


_MEMBERS = sa.text("""
    SELECT m.segment_id, s.recording_id, s.text, m.cluster, m.probability
    FROM clustering_member m JOIN segment s USING (segment_id)
    WHERE m.request_id = :request_id AND m.segment_id > :after ORDER BY m.segment_id LIMIT :most
""")


def members(tx: Transaction, request_id: UUID, *, after: UUID, most: int) -> list[Member]:
    """By segment."""
    rows = tx.execute(_MEMBERS, {"request_id": request_id, "after": after, "most": most}).all()
    lies = places.of_segments(tx, [row.segment_id for row in rows])
    return [
        Member(
            segment_id=row.segment_id,
            recording_id=row.recording_id,
            object_key=lies[row.segment_id].object_key,
            start_s=lies[row.segment_id].start_s,
            end_s=lies[row.segment_id].end_s,
            text=row.text,
            cluster=row.cluster,
            probability=row.probability,
        )
        for row in rows
    ]
