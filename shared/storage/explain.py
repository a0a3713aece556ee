"""Why a segment carries its name, step by step, and how that came about. Reads only."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.storage import people, words
from shared.storage.database import Transaction
from shared.storage.labels import SegmentGone


@dataclass(frozen=True, slots=True)
class Word:
    """What a person said: the last reason of every name."""

    label_id: UUID
    operation: str
    actor: str
    said_at: datetime
    speaker: str | None
    segment_id: UUID | None
    cluster_id: UUID | None


@dataclass(frozen=True, slots=True)
class NamedVoice:
    """A speaker whom people named in a cluster, and in how many of its segments."""

    speaker: str
    segments: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """The standing cluster that holds the segment; of several `named` its members follow the nearest."""

    cluster_id: UUID
    segments: int
    cohesion: float
    probability: float
    named: list[NamedVoice]  # whom people named most first


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The labelled segments that a voice was compared with."""

    segments: int
    words: list[Word]


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the segment's name, and the entry of the log that made it."""

    label_id: UUID
    at: datetime
    speaker: str | None
    assigned_by: str | None
    confidence: float | None
    operation: str
    actor: str


@dataclass(frozen=True, slots=True)
class Why:
    """The name of a segment and the chain that leads to it; without a name, who it may be."""

    segment_id: UUID
    speaker: str | None
    assigned_by: str | None
    confidence: float | None
    because: Word | None
    cluster: Cluster | None
    enrolment: Enrolment | None
    suggestion: str | None
    suggestion_probability: float | None
    rejected: list[str]
    history: list[Change]


_NOW = sa.text("""
    SELECT s.segment_id, p.name AS speaker, a.speaker_id, s.collection, a.assigned_by, a.confidence, a.because_id,
           q.name AS suggestion, g.probability AS suggestion_probability
    FROM segment s LEFT JOIN assignment a USING (segment_id) LEFT JOIN speaker p ON p.speaker_id = a.speaker_id
    LEFT JOIN suggestion g USING (segment_id) LEFT JOIN speaker q ON q.speaker_id = g.speaker_id
    WHERE s.segment_id = :segment_id
""")
_WORD = """
    SELECT l.label_id, l.operation, l.actor, l.created_at AS said_at, p.name AS speaker, l.segment_id, l.cluster_id
    FROM label l LEFT JOIN speaker p USING (speaker_id)
"""
_ONE_WORD = sa.text(f"{_WORD} WHERE l.label_id = :label_id")
# The latest few statements that gave the speaker the segments by which their voice is known.
_ENROLMENT_WORDS = sa.text(f"""
    {_WORD}
    WHERE l.label_id IN (
        SELECT a.because_id FROM assignment a
        WHERE a.collection = :collection AND a.speaker_id = :speaker_id AND a.assigned_by <> 'identification')
    ORDER BY l.seq DESC LIMIT :most
""")  # noqa: S608  # constants
_ENROLLED = sa.text("""
    SELECT count(*) FROM assignment
    WHERE collection = :collection AND speaker_id = :speaker_id AND assigned_by <> 'identification'
""")
_CLUSTER = sa.text("""
    SELECT c.cluster_id, c.n_segments AS segments, c.cohesion, m.probability
    FROM cluster_member m JOIN cluster c USING (cluster_id)
    JOIN collection k ON k.name = c.collection AND k.encoders[1] = c.encoder
    WHERE m.segment_id = :segment_id AND m.until_generation IS NULL
""")
_REJECTED = sa.text("""
    SELECT DISTINCT p.name FROM word w JOIN label l USING (label_id) JOIN speaker s ON s.speaker_id = w.speaker_id
    JOIN speaker p ON p.speaker_id = s.canonical_id
    WHERE w.segment_id = :segment_id AND w.kind = 'not' AND l.active ORDER BY 1
""")
_HISTORY = sa.text("""
    SELECT e.label_id, e.at, p.name AS speaker, e.assigned_by, e.confidence, l.operation, l.actor
    FROM label_effect e JOIN label l USING (label_id) LEFT JOIN speaker p ON p.speaker_id = e.speaker_id
    WHERE e.segment_id = :segment_id ORDER BY e.seq
""")
WORDS_SHOWN = 5


def why(tx: Transaction, segment_id: UUID) -> Why:
    """Raises SegmentGone."""
    now = tx.execute(_NOW, {"segment_id": segment_id}).one_or_none()
    if now is None:
        raise SegmentGone(f"No segment {segment_id}.")
    key = {"segment_id": segment_id}
    return Why(
        segment_id=segment_id,
        speaker=now.speaker,
        assigned_by=now.assigned_by,
        confidence=now.confidence,
        because=_word(tx, now.because_id),
        cluster=_cluster(tx, segment_id),
        enrolment=_enrolment(tx, now) if now.assigned_by == "identification" else None,
        suggestion=now.suggestion,
        suggestion_probability=now.suggestion_probability,
        rejected=list(tx.execute(_REJECTED, key).scalars()),
        history=[Change(**row) for row in tx.execute(_HISTORY, key).mappings()],
    )


def _word(tx: Transaction, label_id: UUID | None) -> Word | None:
    row = tx.execute(_ONE_WORD, {"label_id": label_id}).mappings().one_or_none()
    return Word(**row) if row else None


def _cluster(tx: Transaction, segment_id: UUID) -> Cluster | None:
    row = tx.execute(_CLUSTER, {"segment_id": segment_id}).mappings().one_or_none()
    if row is None:
        return None
    spoken = Counter(word.speaker_id for _, word in words.said_in_clusters(tx, [row["cluster_id"]]).values())
    called = people.names_of(tx, spoken)
    named = sorted((NamedVoice(called[s], n) for s, n in spoken.items()), key=lambda v: (-v.segments, v.speaker))
    return Cluster(**row, named=named)


def _enrolment(tx: Transaction, now: Any) -> Enrolment:
    key = {"collection": now.collection, "speaker_id": now.speaker_id}
    latest = tx.execute(_ENROLMENT_WORDS, {**key, "most": WORDS_SHOWN}).mappings()
    return Enrolment(tx.execute(_ENROLLED, key).scalar_one(), [Word(**row) for row in latest])
