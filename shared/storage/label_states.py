"""What became of one statement of a person: has it spread, and how far? Reads only."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from shared.storage.database import Transaction
from shared.storage.labels import UnknownLabel


@dataclass(frozen=True, slots=True)
class LabelState:
    """How far a label has got: `segments` were spoken of, `propagated` received a name because of it, `lost` lost one.

    `changed` counts all whose speaker is another one because of it, directly or not.
    Where people name a second speaker in a cluster, members that are clearly nearer to neither lose their name.
    """

    label_id: UUID
    collection: str | None
    operation: str
    state: str
    segments: int
    propagated: int
    lost: int
    changed: int


# What a statement did is told by the "spread" entry that the clusterer writes for each collection concerned when it is
# through. The words on a cluster count at once those members whom no person had named.
_LABEL = sa.text("""
    SELECT l.label_id, l.collection, l.operation,
           CASE WHEN spread.n >= CASE WHEN l.collection IS NOT NULL THEN 1 WHEN l.operation = 'rename' THEN 0
                                      ELSE coalesce(jsonb_array_length(l.detail->'collections'), 0) END
                THEN 'propagated' ELSE 'recorded' END AS state,
           coalesce(CASE WHEN l.cluster_id IS NULL OR spread.n = 0 THEN said.n ELSE spread.n_direct END, 0) AS segments,
           coalesce(spread.n_propagated, 0) AS propagated, coalesce(spread.n_lost, 0) AS lost,
           changed.n AS changed
    FROM label l
    CROSS JOIN LATERAL (
        SELECT count(*) AS n, sum((s.detail->>'n_direct')::int) AS n_direct,
               sum((s.detail->>'n_cluster')::int + (s.detail->>'n_identified')::int) AS n_propagated,
               sum((s.detail->>'n_lost')::int) AS n_lost
        FROM label s WHERE s.cause_id = l.label_id AND s.operation = 'spread' AND s.created_at >= l.created_at
    ) AS spread
    CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM word w LEFT JOIN assignment a USING (segment_id)
        WHERE w.label_id = l.label_id
          AND (w.kind <> 'cluster' OR coalesce(a.assigned_by, '') NOT IN ('human', 'import'))
    ) AS said
    CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM (
            SELECT e.segment_id, min(e.seq) AS first, (array_agg(e.speaker_id ORDER BY e.seq DESC))[1] AS speaker_id
            FROM label_effect e WHERE e.label_id IN (
                SELECT l.label_id UNION ALL SELECT c.label_id FROM label c WHERE c.cause_id = l.label_id)
            GROUP BY e.segment_id
        ) AS after
        WHERE after.speaker_id IS DISTINCT FROM (
            SELECT b.speaker_id FROM label_effect b WHERE b.segment_id = after.segment_id AND b.seq < after.first
            ORDER BY b.seq DESC LIMIT 1)
    ) AS changed
    WHERE l.label_id = :label_id
""")


def label_state(tx: Transaction, label_id: UUID) -> LabelState:
    """Raises UnknownLabel."""
    row = tx.execute(_LABEL, {"label_id": label_id}).mappings().one_or_none()
    if row is None:
        raise UnknownLabel(f"No label {label_id}.")
    return LabelState(**row)
