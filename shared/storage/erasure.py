"""Forget a voice: its segments, their vectors, every word on them and the speaker; a receipt says how much it was.

The log is append-only but for this: what it says of the voice goes too, and leaves entries without a name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.errors import NotFound
from shared.events import SegmentsRemoved
from shared.ids import new_id
from shared.storage import clusters, labels, people
from shared.storage.database import Transaction
from shared.storage.tables import erasure


class UnknownReceipt(NotFound):
    """A receipt's id is in the answer of the erasure that it is of."""

    code = "unknown_receipt"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was erased, counted; and the keys of audio that still holds the voice, for nothing of ours may cut that."""

    receipt_id: UUID
    actor: str
    erased: dict[str, int]
    audio_kept: list[str]
    erased_at: datetime


@dataclass(frozen=True, slots=True)
class Erased:
    """The receipt, and what has to be announced in the same transaction."""

    receipt: Receipt
    events: list[SegmentsRemoved]


_COLLECTIONS = sa.text("""
    SELECT collection FROM assignment WHERE speaker_id = ANY(:speakers)
    UNION SELECT s.collection FROM word w JOIN segment s USING (segment_id) WHERE w.speaker_id = ANY(:speakers)
    UNION SELECT collection FROM centroid WHERE speaker_id = ANY(:speakers)
    ORDER BY 1
""")
# Locked before anything is deleted: an embedder that writes a vector for one of them right now holds its row.
_SEGMENTS = sa.text("""
    SELECT s.segment_id, s.recording_id, s.collection FROM segment s
    WHERE s.segment_id IN (SELECT segment_id FROM assignment WHERE speaker_id = ANY(:speakers))
    ORDER BY s.segment_id FOR UPDATE
""")
_KEYS = sa.text("SELECT DISTINCT key FROM stored_object WHERE recording_id = ANY(:recordings) ORDER BY key")
# In this order: each row goes before what it refers to. Rows that refer to segments otherwise go with those.
_STATEMENTS = {
    "vectors": """DELETE FROM embedding
        WHERE encoder_id = ANY(ARRAY(SELECT encoder_id FROM encoder)) AND segment_id = ANY(:segments)""",
    "words": "DELETE FROM word WHERE segment_id = ANY(:segments) OR speaker_id = ANY(:speakers)",
    "changes of names": """DELETE FROM label_effect
        WHERE segment_id = ANY(:segments) OR speaker_id = ANY(:speakers)""",
    "log entries without a name from now on": """
        UPDATE label SET speaker_id = NULL, other_speaker_id = NULL, segment_id = NULL, detail = '{"erased": true}'
        WHERE speaker_id = ANY(:speakers) OR other_speaker_id = ANY(:speakers) OR segment_id = ANY(:segments)""",
    "names": "DELETE FROM assignment WHERE speaker_id = ANY(:speakers)",
    "suggestions": """DELETE FROM suggestion WHERE speaker_id = ANY(:speakers) OR segment_id = ANY(:segments)""",
    "centroids": "DELETE FROM centroid WHERE speaker_id = ANY(:speakers)",
    "cluster memberships": "DELETE FROM cluster_member WHERE segment_id = ANY(:segments)",
    "memberships before the last clustering": """UPDATE cluster_before b SET
        (segment_ids, probabilities) = (
            SELECT coalesce(array_agg(m.id ORDER BY m.n), '{}'), coalesce(array_agg(m.probability ORDER BY m.n), '{}')
            FROM unnest(b.segment_ids, b.probabilities) WITH ORDINALITY AS m(id, probability, n)
            WHERE m.id <> ALL(:segments)),
        exemplar_segment_id = CASE WHEN b.exemplar_segment_id = ANY(:segments)
            THEN '00000000-0000-0000-0000-000000000000' ELSE b.exemplar_segment_id END,
        trust = b.trust || jsonb_build_object('exemplars', (
            SELECT coalesce(jsonb_agg(e.id), '[]') FROM jsonb_array_elements_text(b.trust->'exemplars') AS e(id)
            WHERE CAST(e.id AS uuid) <> ALL(:segments)))
        WHERE b.segment_ids && CAST(:segments AS uuid[])""",
    # All three hold names in words.
    "questions": """DELETE FROM question WHERE collection IN
        (SELECT collection FROM segment WHERE segment_id = ANY(:segments))""",
    "reviews": """DELETE FROM review WHERE asked->>'speaker' = ANY(ARRAY(
        SELECT name FROM speaker WHERE speaker_id = ANY(:speakers))) OR collection IN
        (SELECT collection FROM segment WHERE segment_id = ANY(:segments))""",
    "comparisons of encoders": """DELETE FROM comparison WHERE collection IN
        (SELECT collection FROM segment WHERE segment_id = ANY(:segments))""",
    # All hold means of voices: the next clustering begins without them, and scores are learned anew.
    "calibrations": """DELETE FROM calibration WHERE collection IN
        (SELECT collection FROM segment WHERE segment_id = ANY(:segments))""",
    "calibrations before the last clustering": """DELETE FROM calibration_before WHERE collection IN
        (SELECT collection FROM segment WHERE segment_id = ANY(:segments))""",
    "centroids before the last clustering": """DELETE FROM centroid_before WHERE speaker_id = ANY(:speakers)
        OR collection IN (SELECT collection FROM segment WHERE segment_id = ANY(:segments))""",
    "states of clusterings": """DELETE FROM clustering_state WHERE collection IN
        (SELECT collection FROM segment WHERE segment_id = ANY(:segments))""",
    "segments": "DELETE FROM segment WHERE segment_id = ANY(:segments)",
    "speakers": "DELETE FROM speaker WHERE speaker_id = ANY(:speakers)",
}
_COUNTED_AGAIN = sa.text("""
    UPDATE recording r SET n_segments = (SELECT count(*) FROM segment s WHERE s.recording_id = r.recording_id)
    WHERE r.recording_id = ANY(:recordings)
""")
_PROGRESS_AGAIN = sa.text("""
    UPDATE recording_progress p SET n_segments = least(p.n_segments, n.n), n_embedded = least(p.n_embedded, n.n)
    FROM (SELECT r.recording_id, count(s.segment_id) AS n FROM recording r LEFT JOIN segment s USING (recording_id)
          WHERE r.recording_id = ANY(:recordings) GROUP BY 1) AS n
    WHERE p.recording_id = n.recording_id
""")


def erase_speaker(tx: Transaction, name: str, actor: str) -> Erased:
    """Erase everything of the speaker of that name, and of whoever was merged with them. Raises UnknownSpeaker.

    Work that is under way with a segment of theirs finds it gone when it commits, and writes nothing.
    """
    speakers = people.one_voice(tx, people.speaker_named(tx, name))
    collections = tx.execute(_COLLECTIONS, {"speakers": speakers}).scalars().all()
    for collection in collections:
        labels.lock_names(tx, collection)
    rows = tx.execute(_SEGMENTS, {"speakers": speakers}).all()
    found = {"speakers": speakers, "segments": [row.segment_id for row in rows]}
    recordings = sorted({row.recording_id for row in rows})
    keys = list(tx.execute(_KEYS, {"recordings": recordings}).scalars())
    erased = {what: tx.execute(sa.text(statement), found).rowcount for what, statement in _STATEMENTS.items()}
    for collection in collections:
        clusters.recount(tx, collection)
    tx.execute(_COUNTED_AGAIN, {"recordings": recordings})
    tx.execute(_PROGRESS_AGAIN, {"recordings": recordings})
    return Erased(_written(tx, actor, erased, keys), _removed(rows, speakers))


def _written(tx: Transaction, actor: str, erased: dict[str, int], keys: Sequence[str]) -> Receipt:
    receipt_id = new_id()
    values = {"receipt_id": receipt_id, "actor": actor, "erased": erased, "audio_kept": list(keys)}
    erased_at = tx.execute(sa.insert(erasure).values(values).returning(erasure.c.erased_at)).scalar_one()
    return Receipt(receipt_id, actor, erased, list(keys), erased_at)


def _removed(rows: Sequence[Any], speakers: Sequence[UUID]) -> list[SegmentsRemoved]:
    by_recording: dict[tuple[UUID, str], list[UUID]] = {}
    for row in rows:
        by_recording.setdefault((row.recording_id, row.collection), []).append(row.segment_id)
    return [
        SegmentsRemoved(
            collection=collection, recording_id=recording_id, segment_ids=tuple(gone), speaker_ids=tuple(speakers)
        )
        for (recording_id, collection), gone in by_recording.items()
    ]


def receipt(tx: Transaction, receipt_id: UUID) -> Receipt:
    """Raises UnknownReceipt."""
    row = tx.execute(sa.select(erasure).where(erasure.c.receipt_id == receipt_id)).one_or_none()
    if row is None:
        raise UnknownReceipt(f"No receipt {receipt_id}.")
    return Receipt(row.receipt_id, row.actor, row.erased, row.audio_kept, row.erased_at)
