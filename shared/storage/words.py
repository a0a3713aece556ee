"""What people have said and not taken back: read as the speaker of a segment, of a cluster, and who it is not.

A person's word on a segment is stronger than an import, and that stronger than a word on the cluster that the segment
was in; of equals the later one counts. A rejection takes back what was said of that segment and speaker before it, and
stands against every word on a cluster. Speakers who were merged count as one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from shared.storage.database import Transaction
from shared.storage.labels import AssignedBy

_WORDS = """
    words AS (
        SELECT w.segment_id, w.kind, s.canonical_id AS speaker_id, l.seq, l.label_id
        FROM word w JOIN label l USING (label_id) JOIN speaker s ON s.speaker_id = w.speaker_id
        WHERE l.active AND w.segment_id = ANY(:ids)
    )
"""
_SAID = sa.text(f"""
    WITH {_WORDS}
    SELECT DISTINCT ON (segment_id) segment_id, speaker_id, kind, label_id FROM words w
    WHERE kind <> 'not' AND NOT EXISTS (
        SELECT FROM words n WHERE n.kind = 'not' AND n.segment_id = w.segment_id AND n.speaker_id = w.speaker_id
          AND (n.seq > w.seq OR w.kind = 'cluster'))
    ORDER BY segment_id, CASE kind WHEN 'human' THEN 1 WHEN 'import' THEN 2 ELSE 3 END, seq DESC
""")  # noqa: S608  # constants
_REJECTED = sa.text(f"""
    WITH {_WORDS}
    SELECT segment_id, speaker_id FROM (
        SELECT DISTINCT ON (segment_id, speaker_id) segment_id, speaker_id, kind FROM words
        WHERE kind <> 'cluster' ORDER BY segment_id, speaker_id, seq DESC
    ) AS last WHERE kind = 'not'
""")  # noqa: S608  # constants
_CLUSTER_NAMES = sa.text("""
    SELECT DISTINCT ON (l.cluster_id) l.cluster_id, s.canonical_id AS speaker_id, l.label_id
    FROM label l JOIN speaker s USING (speaker_id)
    WHERE l.active AND l.operation = 'assign' AND l.cluster_id = ANY(:ids)
    ORDER BY l.cluster_id, l.seq DESC
""")


@dataclass(frozen=True, slots=True)
class Said:
    """A speaker that a person named, how, and in which label."""

    speaker_id: UUID
    kind: AssignedBy
    label_id: UUID


def said(tx: Transaction, segment_ids: Sequence[UUID]) -> dict[UUID, Said]:
    """Those of the segments that people named, themselves or with a cluster that they were in."""
    rows = tx.execute(_SAID, {"ids": list(segment_ids)})
    return {row.segment_id: Said(row.speaker_id, row.kind, row.label_id) for row in rows}


def rejected(tx: Transaction, segment_ids: Sequence[UUID]) -> set[tuple[UUID, UUID]]:
    """(segment, speaker): of these a person said that the segment is not theirs."""
    return {(row.segment_id, row.speaker_id) for row in tx.execute(_REJECTED, {"ids": list(segment_ids)})}


def cluster_names(tx: Transaction, cluster_ids: Sequence[UUID]) -> dict[UUID, Said]:
    """Those of the clusters that people named as such: the last word on each."""
    rows = tx.execute(_CLUSTER_NAMES, {"ids": list(cluster_ids)})
    return {row.cluster_id: Said(row.speaker_id, "cluster", row.label_id) for row in rows}


_SEGMENTS = sa.text("""
    SELECT DISTINCT w.segment_id FROM word w JOIN segment s USING (segment_id)
    WHERE w.label_id = :label_id AND s.collection = :collection ORDER BY 1
""")


def segments(tx: Transaction, label_id: UUID, collection: str) -> list[UUID]:
    """The segments of a collection that an entry speaks of."""
    return list(tx.execute(_SEGMENTS, {"label_id": label_id, "collection": collection}).scalars())


_OF_SPEAKERS = sa.text("""
    SELECT segment_id FROM word JOIN segment USING (segment_id)
    WHERE speaker_id = ANY(:speakers) AND collection = :collection
    UNION
    SELECT segment_id FROM assignment WHERE speaker_id = ANY(:speakers) AND collection = :collection
    ORDER BY 1
""")


def of_speakers(tx: Transaction, speaker_ids: Sequence[UUID], collection: str) -> list[UUID]:
    """The segments that were ever said to be, or not to be, of these speakers, or are theirs now."""
    values = {"speakers": list(speaker_ids), "collection": collection}
    return list(tx.execute(_OF_SPEAKERS, values).scalars())


_SPOKEN_OF = sa.text("""
    SELECT DISTINCT m.segment_id, m.cluster_id FROM cluster_member m
    JOIN word w USING (segment_id) JOIN label l USING (label_id)
    WHERE m.cluster_id = ANY(:ids) AND m.until_generation IS NULL AND l.active AND w.kind <> 'not'
""")


def said_in_clusters(tx: Transaction, cluster_ids: Sequence[UUID]) -> dict[UUID, tuple[UUID, Said]]:
    """The members of standing clusters that people named: in which cluster, and what they said."""
    cluster_of = {row.segment_id: row.cluster_id for row in tx.execute(_SPOKEN_OF, {"ids": list(cluster_ids)})}
    return {segment_id: (cluster_of[segment_id], word) for segment_id, word in said(tx, list(cluster_of)).items()}


_AROUND = sa.text("""
    SELECT s.canonical_id FROM word w JOIN speaker s USING (speaker_id) WHERE w.segment_id = ANY(:ids)
    UNION
    SELECT e.speaker_id FROM label_effect e WHERE e.segment_id = ANY(:ids) AND e.speaker_id IS NOT NULL
""")


def speakers_around(tx: Transaction, segment_ids: Sequence[UUID]) -> set[UUID]:
    """Every speaker that these segments were ever said to be, or shown as."""
    return set(tx.execute(_AROUND, {"ids": list(segment_ids)}).scalars())


_EVERYTHING = sa.text("""
    SELECT segment_id FROM word JOIN segment USING (segment_id) WHERE collection = :collection
    UNION
    SELECT segment_id FROM assignment WHERE collection = :collection
    ORDER BY 1
""")


def everything_said(tx: Transaction, collection: str) -> list[UUID]:
    """The segments of a collection that anybody spoke of, or that have a name."""
    return list(tx.execute(_EVERYTHING, {"collection": collection}).scalars())
