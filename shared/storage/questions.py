"""What to ask people next, and what they passed over."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.errors import NotFound
from shared.storage.database import Transaction
from shared.storage.labels import SegmentGone, last_seq
from shared.storage.tables import question, questionnaire, segment, skipped
from shared.units import seconds


class NoQuestionsYet(NotFound):
    """Cluster it first: `earmark cluster -c NAME --wait`. Questions are about the groups that are found."""

    code = "no_questions_yet"


@dataclass(frozen=True, slots=True)
class NewQuestion:
    """A segment to have named, how many segments that is expected to settle, and why this one."""

    segment_id: UUID
    expected_resolved: float
    why: str
    reason: str
    n_segments: int


@dataclass(frozen=True, slots=True)
class Question:
    """One as it is shown."""

    segment_id: UUID
    object_key: str | None
    start_s: float
    end_s: float
    cluster_id: UUID | None
    suggestion: str | None
    suggestion_probability: float | None
    expected_resolved: float
    why: str
    reason: str
    n_segments: int


@dataclass(frozen=True, slots=True)
class Questions:
    """The best first; `fresh` is false while something has been said since they were thought out."""

    items: list[Question]
    fresh: bool


def write(tx: Transaction, collection: str, seq: int, new: Sequence[NewQuestion]) -> None:
    """Make these the questions of a collection; they know the log up to `seq`."""
    key = {"collection": collection, "seq": seq}
    statement = insert(questionnaire).values(**key)
    changed = {"seq": seq, "thought_out_at": sa.func.clock_timestamp()}
    newer = questionnaire.c.seq <= seq  # what was thought out with more in view stays
    written = statement.on_conflict_do_update(index_elements=["collection"], set_=changed, where=newer)
    if tx.execute(written).rowcount == 0:
        return
    tx.execute(sa.delete(question).where(question.c.collection == collection))
    values = {
        "collection": collection,
        "segment_ids": [q.segment_id for q in new],
        "resolved": [q.expected_resolved for q in new],
        "whys": [q.why for q in new],
        "reasons": [q.reason for q in new],
        "counts": [q.n_segments for q in new],
    }
    tx.execute(_WRITE, values)


_WRITE = sa.text("""
    INSERT INTO question (collection, rank, segment_id, expected_resolved, why, reason, n_segments)
    SELECT :collection, n.rank, n.segment_id, n.resolved, n.why, n.reason, n.n_segments
    FROM unnest(CAST(:segment_ids AS uuid[]), CAST(:resolved AS real[]), CAST(:whys AS text[]),
                CAST(:reasons AS text[]), CAST(:counts AS int[]))
         WITH ORDINALITY AS n(segment_id, resolved, why, reason, n_segments, rank)
    JOIN segment USING (segment_id)
""")
# What was said or skipped since is left out at once, even before the questions are thought out anew.
_READ = sa.text("""
    SELECT q.segment_id, q.expected_resolved, q.why, q.reason, q.n_segments, s.start_sample, s.end_sample,
           (SELECT min(o.key) FROM stored_object o WHERE o.recording_id = s.recording_id AND o.state = 'registered')
           AS object_key,
           (SELECT m.cluster_id FROM cluster_member m
            WHERE m.segment_id = s.segment_id AND m.until_generation IS NULL
              AND m.encoder = (SELECT encoders[1] FROM collection WHERE name = s.collection)) AS cluster_id,
           p.name AS suggestion, g.probability AS suggestion_probability
    FROM question q JOIN segment s USING (segment_id)
    LEFT JOIN suggestion g USING (segment_id) LEFT JOIN speaker p USING (speaker_id)
    WHERE q.collection = :collection
      AND NOT EXISTS (SELECT FROM skipped k WHERE k.segment_id = q.segment_id)
      AND NOT EXISTS (SELECT FROM assignment a
                      WHERE a.segment_id = q.segment_id AND a.assigned_by IN ('human', 'import'))
    ORDER BY q.rank LIMIT :most
""")
# Names spread before any clustering too, and questions are thought out after that: all would be noise.
_KNOWN = sa.text("""
    SELECT seq FROM questionnaire WHERE collection = :collection
      AND (EXISTS (SELECT FROM clustering_state s JOIN encoder e USING (space)
                   WHERE s.collection = :collection
                     AND e.name = (SELECT encoders[1] FROM collection WHERE name = :collection)
                     AND s.generation = (SELECT max(c.generation) FROM clustering c
                                         WHERE c.collection = s.collection AND c.encoder = e.name))
           OR EXISTS (SELECT FROM cluster c WHERE c.collection = :collection AND c."current"
                        AND c.encoder = (SELECT encoders[1] FROM collection WHERE name = :collection)))
""")


def read(tx: Transaction, collection: str, most: int) -> Questions:
    """Raises NoQuestionsYet."""
    key = {"collection": collection}
    known = tx.execute(_KNOWN, key).scalar_one_or_none()
    if known is None:
        raise NoQuestionsYet(f"Nothing of {collection!r} has been clustered yet.")
    items = [
        Question(
            segment_id=row.segment_id,
            object_key=row.object_key,
            start_s=seconds(row.start_sample),
            end_s=seconds(row.end_sample),
            cluster_id=row.cluster_id,
            suggestion=row.suggestion,
            suggestion_probability=row.suggestion_probability,
            expected_resolved=row.expected_resolved,
            why=row.why,
            reason=row.reason,
            n_segments=row.n_segments,
        )
        for row in tx.execute(_READ, {**key, "most": most})
    ]
    return Questions(items, known >= last_seq(tx, collection))


def skip(tx: Transaction, segment_id: UUID, actor: str) -> None:
    """A person does not know, or does not want to say: it is not asked again. Raises SegmentGone."""
    found = tx.execute(sa.select(segment.c.collection).where(segment.c.segment_id == segment_id)).scalar_one_or_none()
    if found is None:
        raise SegmentGone(f"No segment {segment_id}.")
    statement = insert(skipped).values(segment_id=segment_id, collection=found, actor=actor)
    tx.execute(statement.on_conflict_do_nothing())


def skipped_in(tx: Transaction, collection: str) -> set[UUID]:
    """The segments that people passed over."""
    return set(tx.execute(sa.select(skipped.c.segment_id).where(skipped.c.collection == collection)).scalars())
