"""The label log and its current view. The log is append-only; a person's word is never overwritten by a rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.errors import NotFound
from shared.events import LabelRecorded
from shared.ids import new_id
from shared.storage.database import Transaction
from shared.storage.tables import cluster, label, label_effect, segment, speaker

AssignedBy = Literal["human", "import", "cluster", "identification"]


class SegmentGone(NotFound):
    """The segment does not exist, or no longer does; list the segments again and label one of those."""

    code = "segment_gone"


class ClusterGone(NotFound):
    """The cluster does not exist, or no longer does; list the clusters again and label one of those."""

    code = "cluster_gone"


@dataclass(frozen=True, slots=True)
class Effect:
    """One segment that receives a speaker, by whom, and how sure."""

    segment_id: UUID
    speaker_id: UUID
    assigned_by: AssignedBy
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A person's label as it stands in the log; the caller publishes `event` in the same transaction."""

    label_id: UUID
    collection: str
    speaker_id: UUID
    n_direct: int
    event: LabelRecorded


def record(
    tx: Transaction, *, speaker: str, actor: str, segment_id: UUID | None = None, cluster_id: UUID | None = None
) -> Recorded:
    """Write a person's label of a segment or of a cluster. Raises SegmentGone, ClusterGone.

    A segment has its name at once; a cluster's members follow in the background and are counted here.
    """
    assert (segment_id is None) != (cluster_id is None)
    collection, n_direct = _segment(tx, segment_id) if segment_id else _cluster(tx, cluster_id)
    speaker_id = ensure_speaker(tx, speaker)
    label_id = append(tx, collection, "assign", actor, speaker_id, segment_id=segment_id, cluster_id=cluster_id)
    if segment_id:
        apply(tx, label_id, collection, [Effect(segment_id, speaker_id, "human", 1.0)])
    event = LabelRecorded(
        label_id=label_id, collection=collection, speaker_id=speaker_id, segment_id=segment_id, cluster_id=cluster_id
    )
    return Recorded(label_id, collection, speaker_id, n_direct, event)


def _segment(tx: Transaction, segment_id: UUID | None) -> tuple[str, int]:
    found = tx.execute(sa.select(segment.c.collection).where(segment.c.segment_id == segment_id)).scalar_one_or_none()
    if found is None:
        raise SegmentGone(f"No segment {segment_id}.")
    return str(found), 1


_MEMBERS_TO_NAME = sa.text("""
    SELECT count(*) FROM cluster_member m LEFT JOIN assignment a USING (segment_id)
    WHERE m.cluster_id = :cluster_id AND coalesce(a.assigned_by, '') NOT IN ('human', 'import')
""")


def _cluster(tx: Transaction, cluster_id: UUID | None) -> tuple[str, int]:
    found = tx.execute(sa.select(cluster.c.collection).where(cluster.c.cluster_id == cluster_id)).scalar_one_or_none()
    if found is None:
        raise ClusterGone(f"No cluster {cluster_id}.")
    return str(found), int(tx.execute(_MEMBERS_TO_NAME, {"cluster_id": cluster_id}).scalar_one())


def ensure_speaker(tx: Transaction, name: str) -> UUID:
    """The id of the speaker of that name, made if nobody has it yet."""
    tx.execute(insert(speaker).values(speaker_id=new_id(), name=name).on_conflict_do_nothing())
    return UUID(str(tx.execute(sa.select(speaker.c.speaker_id).where(speaker.c.name == name)).scalar_one()))


def append(
    tx: Transaction,
    collection: str,
    operation: str,
    actor: str,
    speaker_id: UUID | None = None,
    *,
    segment_id: UUID | None = None,
    cluster_id: UUID | None = None,
    cause_id: UUID | None = None,
    detail: dict[str, Any] | None = None,
) -> UUID:
    """Add an entry to the log and return its id."""
    label_id = new_id()
    tx.execute(
        sa.insert(label).values(
            label_id=label_id,
            collection=collection,
            operation=operation,
            speaker_id=speaker_id,
            segment_id=segment_id,
            cluster_id=cluster_id,
            actor=actor,
            cause_id=cause_id,
            detail=detail or {},
        )
    )
    return label_id


# A later entry wins over an earlier one of the same kind or a weaker one; nothing but a person overrules a person.
_APPLY = sa.text("""
    WITH strength(assigned_by, rank) AS (VALUES ('human', 4), ('import', 3), ('cluster', 2), ('identification', 1)),
    named AS (
        INSERT INTO assignment AS a (segment_id, collection, speaker_id, assigned_by, confidence, label_id)
        SELECT n.segment_id, :collection, n.speaker_id, n.assigned_by, n.confidence, :label_id
        FROM unnest(CAST(:segment_ids AS uuid[]), CAST(:speaker_ids AS uuid[]), CAST(:assigned_by AS text[]),
                    CAST(:confidences AS real[])) AS n(segment_id, speaker_id, assigned_by, confidence)
        JOIN segment USING (segment_id)
        ORDER BY n.segment_id
        ON CONFLICT (segment_id) DO UPDATE SET
            speaker_id = excluded.speaker_id, assigned_by = excluded.assigned_by,
            confidence = excluded.confidence, label_id = excluded.label_id
        WHERE (SELECT rank FROM strength s WHERE s.assigned_by = excluded.assigned_by)
           >= (SELECT rank FROM strength s WHERE s.assigned_by = a.assigned_by)
          AND (a.speaker_id, a.assigned_by) IS DISTINCT FROM (excluded.speaker_id, excluded.assigned_by)
        RETURNING segment_id, speaker_id, assigned_by, confidence
    ), logged AS (
        INSERT INTO label_effect (label_id, segment_id, speaker_id, assigned_by, confidence)
        SELECT :label_id, * FROM named
    )
    SELECT segment_id FROM named
""")


def apply(tx: Transaction, label_id: UUID, collection: str, effects: Sequence[Effect]) -> list[UUID]:
    """Give segments their speaker where the label is strong enough; returns the segments that changed."""
    if not effects:
        return []
    return list(
        tx.execute(
            _APPLY,
            {
                "label_id": label_id,
                "collection": collection,
                "segment_ids": [e.segment_id for e in effects],
                "speaker_ids": [e.speaker_id for e in effects],
                "assigned_by": [e.assigned_by for e in effects],
                "confidences": [e.confidence for e in effects],
            },
        ).scalars()
    )


_WITHDRAW = sa.text("""
    WITH gone AS (
        DELETE FROM assignment WHERE segment_id = ANY(:segment_ids) AND assigned_by = 'identification'
        RETURNING segment_id
    )
    INSERT INTO label_effect (label_id, segment_id, speaker_id, assigned_by)
    SELECT :label_id, segment_id, NULL, 'identification' FROM gone
""")


def withdraw(tx: Transaction, label_id: UUID, segment_ids: Sequence[UUID]) -> None:
    """Make segments unknown again that only a rule had named; the log keeps both."""
    if segment_ids:
        tx.execute(_WITHDRAW, {"label_id": label_id, "segment_ids": list(segment_ids)})


_LATER_WORD = sa.text("""
    SELECT EXISTS (
        SELECT FROM label later JOIN label own ON own.label_id = :label_id
        WHERE later.cluster_id = own.cluster_id AND later.operation = 'assign'
          AND (later.created_at, later.label_id) > (own.created_at, own.label_id))
""")


def has_later_word(tx: Transaction, label_id: UUID) -> bool:
    """Whether a person has named the same cluster again since: the last word counts, in whatever order work is done."""
    return bool(tx.execute(_LATER_WORD, {"label_id": label_id}).scalar_one())


def speakers_ever(tx: Transaction, segment_id: UUID) -> set[UUID]:
    """Every speaker that the log ever gave to a segment."""
    found = tx.execute(sa.select(label_effect.c.speaker_id).where(label_effect.c.segment_id == segment_id)).scalars()
    return {speaker_id for speaker_id in found if speaker_id is not None}


_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('names:' || :collection, 0))")
_LOCK_SHARED = sa.text("SELECT pg_advisory_xact_lock_shared(hashtextextended('names:' || :collection, 0))")


def lock_names(tx: Transaction, collection: str, *, shared: bool = False) -> None:
    """Keep propagation (exclusive) and arrivals (shared) apart: an arrival sees the new names or is seen by them."""
    tx.execute(_LOCK_SHARED if shared else _LOCK, {"collection": collection})
