"""Who a segment may be: near enough to a named speaker to ask a person, not near enough to say so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from shared.storage.database import Transaction
from shared.storage.tables import suggestion


@dataclass(frozen=True, slots=True)
class Suggested:
    """A speaker that a segment may belong to, and how probable that is."""

    speaker_id: UUID
    probability: float


_WRITE = sa.text("""
    INSERT INTO suggestion (segment_id, collection, speaker_id, probability)
    SELECT n.segment_id, :collection, n.speaker_id, n.probability
    FROM unnest(CAST(:segment_ids AS uuid[]), CAST(:speaker_ids AS uuid[]), CAST(:probabilities AS real[]))
         AS n(segment_id, speaker_id, probability)
    JOIN segment USING (segment_id) ORDER BY n.segment_id
    ON CONFLICT (segment_id) DO UPDATE SET speaker_id = excluded.speaker_id, probability = excluded.probability
""")


def write(tx: Transaction, collection: str, segment_ids: Sequence[UUID], suggested: Mapping[UUID, Suggested]) -> None:
    """Make these the suggestions of these segments, and no others."""
    without = [s for s in segment_ids if s not in suggested]
    tx.execute(sa.delete(suggestion).where(suggestion.c.segment_id == sa.any_(sa.cast(without, sa.ARRAY(sa.UUID)))))
    if suggested:
        values = {
            "segment_ids": list(suggested),
            "speaker_ids": [s.speaker_id for s in suggested.values()],
            "probabilities": [s.probability for s in suggested.values()],
        }
        tx.execute(_WRITE, {"collection": collection, **values})


_OF_SPEAKERS = sa.text("""
    SELECT segment_id FROM suggestion WHERE collection = :collection AND speaker_id = ANY(:ids)
    UNION
    SELECT segment_id FROM assignment
    WHERE collection = :collection AND speaker_id = ANY(:ids) AND assigned_by = 'identification'
    ORDER BY 1
""")


def of_speakers(tx: Transaction, collection: str, speaker_ids: Sequence[UUID]) -> list[UUID]:
    """The segments that identification gave, or suggests for, any of the speakers."""
    return list(tx.execute(_OF_SPEAKERS, {"collection": collection, "ids": list(speaker_ids)}).scalars())


def everybody(tx: Transaction, collection: str) -> list[UUID]:
    """Every segment of a collection for which somebody is suggested, or that identification named."""
    rows = tx.execute(
        sa.text("""
            SELECT segment_id FROM suggestion WHERE collection = :collection
            UNION SELECT segment_id FROM assignment WHERE collection = :collection AND assigned_by = 'identification'
        """),
        {"collection": collection},
    )
    return list(rows.scalars())
