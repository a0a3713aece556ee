"""How far each recording is with each encoder: counted anew from its segments, so that it cannot drift."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from shared.storage import encoders
from shared.storage.database import Transaction
from shared.storage.encoders import StoredEncoder


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one recording is with one encoder."""

    recording_id: UUID
    n_segments: int
    n_embedded: int
    n_without_voice: int

    @property
    def complete(self) -> bool:
        """Whether every segment has its vector or a reason why it has none."""
        return self.n_embedded + self.n_without_voice >= self.n_segments


# In the order of their ids, so that two workers with parts of the same recordings never deadlock. Rows that are there
# are locked and left as they are: the count comes in a statement of its own, which sees what others have committed.
_HOLD = sa.text("""
    INSERT INTO recording_progress (recording_id, encoder, n_segments)
    SELECT recording_id, :encoder, coalesce(n_segments, 0) FROM recording
    WHERE recording_id = ANY(:ids) ORDER BY recording_id
    ON CONFLICT (recording_id, encoder) DO UPDATE SET encoder = excluded.encoder WHERE false
""")
_RECOUNT = sa.text("""
    UPDATE recording_progress p SET n_segments = n.n_segments, n_embedded = n.n_embedded,
           n_without_voice = n.n_without_voice
    FROM (SELECT i.recording_id, count(s.segment_id) AS n_segments, count(e.segment_id) AS n_embedded,
                 count(u.segment_id) FILTER (WHERE e.segment_id IS NULL) AS n_without_voice
          FROM unnest(CAST(:ids AS uuid[])) AS i(recording_id)
          LEFT JOIN segment s USING (recording_id)
          LEFT JOIN embedding e ON e.encoder_id = :encoder_id AND e.segment_id = s.segment_id
          LEFT JOIN unembeddable u ON u.encoder = :encoder AND u.segment_id = s.segment_id
          GROUP BY 1) AS n
    WHERE p.recording_id = n.recording_id AND p.encoder = :encoder
    RETURNING p.recording_id, p.n_segments, p.n_embedded, p.n_without_voice
""")


def recount(tx: Transaction, encoder: StoredEncoder, recording_ids: Sequence[UUID]) -> list[Progress]:
    """Where these recordings stand now with an encoder, which may be new to them."""
    if not recording_ids:
        return []
    values = {"encoder": encoder.name, "ids": sorted(set(recording_ids))}
    tx.execute(_HOLD, values)
    counted = tx.execute(_RECOUNT, {**values, "encoder_id": encoder.encoder_id})
    return [Progress(**row) for row in counted.mappings()]


_HOLD_ALL = sa.text("""
    SELECT encoder FROM recording_progress WHERE recording_id = :id ORDER BY encoder FOR UPDATE
""")


def hold(tx: Transaction, recording_id: UUID) -> list[str]:
    """Keep a recording's counts from changing until this transaction ends; returns the encoders that it has counts of.

    Call it before changing a row of `recording`: that is the order in which embedders lock the two.
    """
    return list(tx.execute(_HOLD_ALL, {"id": recording_id}).scalars())


def recount_all(tx: Transaction, recording_id: UUID) -> None:
    """Make a recording's counts of every encoder right again after its segments have changed."""
    known = encoders.encoders(tx)
    for name in hold(tx, recording_id):
        if name in known:
            recount(tx, known[name], [recording_id])


_HOLD_COLLECTION = sa.text("""
    SELECT p.recording_id FROM recording_progress p JOIN recording r USING (recording_id)
    WHERE r.collection = :collection AND p.encoder = :encoder ORDER BY p.recording_id FOR UPDATE OF p
""")
_FORGET = sa.text("DELETE FROM recording_progress WHERE encoder = :encoder AND recording_id = ANY(:ids)")
_READY = sa.text("""
    UPDATE recording r SET state = 'ready' WHERE collection = :collection AND state = 'segmented'
      AND EXISTS (SELECT FROM recording_progress p WHERE p.recording_id = r.recording_id)
      AND NOT EXISTS (SELECT FROM recording_progress p WHERE p.recording_id = r.recording_id
                      AND p.n_embedded + p.n_without_voice < p.n_segments)
""")


def forget_encoder(tx: Transaction, collection: str, encoder: str) -> int:
    """Wait no more for an encoder that a collection does without; returns how many recordings are ready by it."""
    ids = tx.execute(_HOLD_COLLECTION, {"collection": collection, "encoder": encoder}).scalars().all()
    tx.execute(_FORGET, {"encoder": encoder, "ids": list(ids)})
    return tx.execute(_READY, {"collection": collection}).rowcount
