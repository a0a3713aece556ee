"""The label log and its current view: append-only, and replaying it gives the view. Who may say what is elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa

from shared.errors import NotFound
from shared.ids import new_id
from shared.storage.database import Transaction
from shared.storage.tables import label

AssignedBy = Literal["human", "import", "cluster", "identification"]


class SegmentGone(NotFound):
    """The segment does not exist, or no longer does; list the segments again and label one of those."""

    code = "segment_gone"


class ClusterGone(NotFound):
    """The cluster does not exist, or no longer does; list the clusters again and label one of those."""

    code = "cluster_gone"


class UnknownLabel(NotFound):
    """`earmark labels log -c NAME` shows the ids that there are."""

    code = "unknown_label"


@dataclass(frozen=True, slots=True)
class Entry:
    """A new entry of the log; `seq` is its place."""

    label_id: UUID
    seq: int


@dataclass(frozen=True, slots=True)
class Named:
    """Who a segment belongs to, by whom or by which rule, how sure, and because of which label of a person."""

    speaker_id: UUID
    assigned_by: AssignedBy
    confidence: float | None = None
    because_id: UUID | None = None


Names = dict[UUID, Named]
"""Segments that have a speaker; those that are not in it have none."""


def append(
    tx: Transaction,
    collection: str | None,
    operation: str,
    actor: str,
    speaker_id: UUID | None = None,
    *,
    other_speaker_id: UUID | None = None,
    segment_id: UUID | None = None,
    cluster_id: UUID | None = None,
    cause_id: UUID | None = None,
    undoes_id: UUID | None = None,
    detail: dict[str, Any] | None = None,
) -> Entry:
    """Add an entry to the log; it has no effect yet."""
    values = {
        "label_id": new_id(),
        "collection": collection,
        "operation": operation,
        "actor": actor,
        "speaker_id": speaker_id,
        "other_speaker_id": other_speaker_id,
        "segment_id": segment_id,
        "cluster_id": cluster_id,
        "cause_id": cause_id,
        "undoes_id": undoes_id,
        "detail": detail or {},
    }
    row = tx.execute(sa.insert(label).values(values).returning(label.c.label_id, label.c.seq)).one()
    return Entry(row.label_id, row.seq)


_LAST = sa.text("""
    SELECT coalesce(max(seq), 0) FROM label WHERE collection = :collection AND operation = ANY(:operations)
""")
STATEMENTS = ("assign", "reject", "split", "import", "undo", "cluster", "switch")
"""What people say of a collection, a clustering of it, and a switch of its encoder: names and questions follow."""


def last_seq(tx: Transaction, collection: str) -> int:
    """The place of the last of these in the log."""
    values = {"collection": collection, "operations": list(STATEMENTS)}
    return int(tx.execute(_LAST, values).scalar_one())


def describe(tx: Transaction, entry: Entry, detail: dict[str, Any]) -> None:
    """Write onto an entry of this transaction what it came to."""
    tx.execute(sa.update(label).where(label.c.label_id == entry.label_id).values(detail=detail))


_FORGET = sa.text("""
    DELETE FROM label WHERE label_id = :id AND NOT EXISTS (SELECT FROM label_effect WHERE label_id = :id)
""")


def forget_if_unused(tx: Transaction, entry: Entry) -> None:
    """Leave no trace of an entry of this transaction that changed nothing."""
    tx.execute(_FORGET, {"id": entry.label_id})


_NAMES = sa.text("""
    SELECT segment_id, speaker_id, assigned_by, confidence, because_id FROM assignment WHERE segment_id = ANY(:ids)
""")


def names(tx: Transaction, segment_ids: Sequence[UUID]) -> Names:
    """Those of the segments that have a speaker now."""
    return _names(tx.execute(_NAMES, {"ids": list(segment_ids)}))


def _names(rows: Iterable[Any]) -> Names:
    return {r.segment_id: Named(r.speaker_id, r.assigned_by, r.confidence, r.because_id) for r in rows}


# A person may have said something since the names were thought out: their entry is later than ours, and stays.
_WRITE = sa.text("""
    WITH named AS (
        INSERT INTO assignment AS a
            (segment_id, collection, speaker_id, assigned_by, confidence, because_id, label_id, seq)
        SELECT n.segment_id, :collection, n.speaker_id, n.assigned_by, n.confidence, n.because_id, :label_id, :seq
        FROM unnest(CAST(:segment_ids AS uuid[]), CAST(:speaker_ids AS uuid[]), CAST(:assigned_by AS text[]),
                    CAST(:confidences AS real[]), CAST(:because_ids AS uuid[]))
             AS n(segment_id, speaker_id, assigned_by, confidence, because_id)
        JOIN segment USING (segment_id)
        ORDER BY n.segment_id
        ON CONFLICT (segment_id) DO UPDATE SET
            speaker_id = excluded.speaker_id, assigned_by = excluded.assigned_by, confidence = excluded.confidence,
            because_id = excluded.because_id, label_id = excluded.label_id, seq = excluded.seq
        WHERE a.seq < excluded.seq
          AND (a.speaker_id, a.assigned_by, a.confidence, a.because_id)
              IS DISTINCT FROM (excluded.speaker_id, excluded.assigned_by, excluded.confidence, excluded.because_id)
        RETURNING segment_id, speaker_id, assigned_by, confidence, because_id
    ), logged AS (
        INSERT INTO label_effect (label_id, segment_id, speaker_id, assigned_by, confidence, because_id)
        SELECT :label_id, * FROM named
    )
    SELECT segment_id FROM named
""")
_TAKE_AWAY = sa.text("""
    WITH gone AS (
        DELETE FROM assignment WHERE segment_id = ANY(:segment_ids) AND seq < :seq RETURNING segment_id
    ), logged AS (
        INSERT INTO label_effect (label_id, segment_id) SELECT :label_id, segment_id FROM gone
    )
    SELECT segment_id FROM gone
""")


def write(tx: Transaction, entry: Entry, collection: str, names: Names, nobodys: Sequence[UUID] = ()) -> set[UUID]:
    """Make these the names of these segments from this entry on, and the others nobody's; returns what changed."""
    changed: set[UUID] = set()
    key = {"label_id": entry.label_id, "seq": entry.seq}
    if names:
        values = {
            "collection": collection,
            "segment_ids": list(names),
            "speaker_ids": [n.speaker_id for n in names.values()],
            "assigned_by": [n.assigned_by for n in names.values()],
            "confidences": [n.confidence for n in names.values()],
            "because_ids": [n.because_id for n in names.values()],
        }
        changed.update(tx.execute(_WRITE, {**key, **values}).scalars())
    if nobodys:
        changed.update(tx.execute(_TAKE_AWAY, {**key, "segment_ids": sorted(nobodys)}).scalars())
    return changed


_AS_OF = sa.text("""
    SELECT * FROM (
        SELECT DISTINCT ON (e.segment_id) e.segment_id, e.speaker_id, e.assigned_by, e.confidence, e.because_id
        FROM label_effect e JOIN label l USING (label_id)
        WHERE l.collection = :collection AND e.at <= :at
        ORDER BY e.segment_id, e.seq DESC
    ) AS last WHERE speaker_id IS NOT NULL
""")


def as_of(tx: Transaction, collection: str, at: Any) -> Names:
    """Who every segment of a collection belonged to at a time, out of the log alone."""
    return _names(tx.execute(_AS_OF, {"collection": collection, "at": at}))


_SAID = sa.text("""
    SELECT segment_id, speaker_id FROM assignment
    WHERE collection = :collection AND assigned_by IN ('human', 'import') ORDER BY segment_id LIMIT :most
""")


def said_by_people(tx: Transaction, collection: str, most: int) -> dict[UUID, UUID]:
    """The speaker of segments that people named, so many at most: those of the first ids, which are hashes."""
    rows = tx.execute(_SAID, {"collection": collection, "most": most})
    return {row.segment_id: row.speaker_id for row in rows}


_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('names:' || :collection, 0))")


def lock_names(tx: Transaction, collection: str) -> None:
    """Let one transaction at a time change the names of a collection: each sees what the one before it did."""
    tx.execute(_LOCK, {"collection": collection})
