"""Take a segment apart by hand: it goes with everything that was made of it, and its parts are embedded anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

import sqlalchemy as sa

from shared import ids
from shared.errors import InvalidRequest
from shared.events import EmbeddingRequested, SegmentsRemoved
from shared.storage import backfills, collections, labels, progress, segments
from shared.storage.database import Transaction
from shared.storage.labels import Entry, SegmentGone
from shared.storage.segments import Cut, NewSegment, SegmentSpan
from shared.storage.statements import NotSpeech
from shared.storage.tables import segment
from shared.units import samples, seconds

SOURCE = "human"
SHORTEST_PART_S = 0.1


class SplitOutside(InvalidRequest):
    """Name points between the segment's start and end, in seconds from the start of the recording."""

    code = "split_outside"


class PartTooShort(InvalidRequest):
    """Keep 0.1 s between two points, and between a point and the segment's start or end."""

    code = "part_too_short"


@dataclass(frozen=True, slots=True)
class Split:
    """What stands now in the place of a segment; the caller publishes the events in the same transaction."""

    parts: tuple[SegmentSpan, ...]
    removed: SegmentsRemoved
    requested: tuple[EmbeddingRequested, ...]


def split(
    tx: Transaction,
    segment_id: UUID,
    at_s: Sequence[float],
    actor: str,
    most: int = backfills.SEGMENTS_PER_EVENT,
) -> Split:
    """Replace a segment by its parts; `at_s` are seconds from the start of the recording.

    The parts keep its diarization label. Its text, which nobody can tell where to cut, and its name, which one of the
    voices had at most, go with it; the words of people stay in the log. Raises SegmentGone, NotSpeech, SplitOutside,
    PartTooShort.
    """
    labels.lock_names(tx, _collection_of(tx, segment_id))  # before the row: that is the clusterer's order
    row = tx.execute(sa.select(segment).where(segment.c.segment_id == segment_id).with_for_update()).one_or_none()
    if row is None:
        raise _gone(segment_id)
    if row.modality == "text":
        raise NotSpeech(f"{segment_id} is a caption.")
    borders = _borders(row.start_sample, row.end_sample, at_s)
    parts = tuple(
        SegmentSpan(ids.segment_id(row.recording_id, SOURCE, *span), row.recording_id, row.collection, *span)
        for span in pairwise(borders)
    )
    entry = _logged(tx, row.collection, segment_id, parts, actor)
    progress.hold(tx, row.recording_id)
    removed = remove(
        tx, SegmentSpan(segment_id, row.recording_id, row.collection, row.start_sample, row.end_sample), entry
    )
    new = tuple(NewSegment(p.segment_id, p.start_sample, p.end_sample, speaker_label=row.speaker_label) for p in parts)
    segments.insert(tx, [Cut(row.recording_id, row.collection, SOURCE, new, ())])
    segments.count(tx, row.recording_id)
    progress.recount_all(tx, row.recording_id)
    encoder_names = collections.get(tx, row.collection).encoders
    return Split(parts, removed, tuple(backfills.embedding_requests(parts, encoder_names, most)))


def _collection_of(tx: Transaction, segment_id: UUID) -> str:
    found = tx.execute(sa.select(segment.c.collection).where(segment.c.segment_id == segment_id)).scalar_one_or_none()
    if found is None:
        raise _gone(segment_id)
    return str(found)


def _gone(segment_id: UUID) -> SegmentGone:
    return SegmentGone(f"No segment {segment_id}.")


def _borders(start_sample: int, end_sample: int, at_s: Sequence[float]) -> list[int]:
    points = sorted(samples(point_s) for point_s in at_s)
    if not points or points[0] < start_sample or points[-1] > end_sample:
        span = f"{seconds(start_sample):.3f} s to {seconds(end_sample):.3f} s"
        raise SplitOutside(f"The segment goes from {span} of its recording.")
    borders = [start_sample, *points, end_sample]
    shortest = min(later - earlier for earlier, later in pairwise(borders))
    if shortest < samples(SHORTEST_PART_S):
        raise PartTooShort(f"A part would be {seconds(shortest):.3f} s long.")
    return borders


def _logged(tx: Transaction, collection: str, segment_id: UUID, parts: Sequence[SegmentSpan], actor: str) -> Entry:
    """Write down who did it, and what came of it."""
    detail = {"parts": [str(part.segment_id) for part in parts], "at_s": [seconds(p.start_sample) for p in parts[1:]]}
    return labels.append(tx, collection, "divide", actor, segment_id=segment_id, detail=detail)


_LABELLED = sa.text("""
    SELECT speaker_id FROM assignment
    WHERE segment_id = :segment_id AND assigned_by IN ('human', 'import', 'cluster')
""")
# Nothing refers from a partition to its segments. The list of encoders makes it one look at the index of each.
_FORGET_VECTORS = sa.text("""
    DELETE FROM embedding WHERE encoder_id = ANY(ARRAY(SELECT encoder_id FROM encoder)) AND segment_id = :segment_id
""")
_LEAVE = sa.text("""
    DELETE FROM cluster_member WHERE segment_id = :segment_id AND until_generation IS NULL RETURNING cluster_id
""")
_WITHOUT = sa.text("""
    UPDATE cluster c SET
        n_segments = n.n_segments, n_recordings = n.n_recordings, "current" = c."current" AND n.n_segments > 0,
        exemplar_segment_id = CASE WHEN c.exemplar_segment_id = :segment_id
                              THEN coalesce(n.firmest, c.exemplar_segment_id) ELSE c.exemplar_segment_id END,
        trust = CASE WHEN jsonb_typeof(c.trust->'exemplars') = 'array'
                THEN jsonb_set(c.trust, '{exemplars}', (c.trust->'exemplars') - CAST(:segment_id AS text))
                ELSE c.trust END
    FROM (SELECT i.cluster_id, count(s.segment_id) AS n_segments, count(DISTINCT s.recording_id) AS n_recordings,
                 (array_agg(m.segment_id ORDER BY m.probability DESC, m.segment_id))[1] AS firmest
          FROM unnest(CAST(:cluster_ids AS uuid[])) AS i(cluster_id)
          LEFT JOIN cluster_member m ON m.cluster_id = i.cluster_id AND m.until_generation IS NULL
          LEFT JOIN segment s ON s.segment_id = m.segment_id GROUP BY 1) AS n
    WHERE c.cluster_id = n.cluster_id
""")


def remove(tx: Transaction, span: SegmentSpan, entry: Entry) -> SegmentsRemoved:
    """Delete a segment with its vectors in every space, its name, suggestion and places in clusters.

    From this entry of the log on it belongs to nobody. Call it under `labels.lock_names` with the row locked: then no
    embedder can bring a vector of it back. Who counted its voice among a speaker's has to hear of the event.
    """
    key = {"segment_id": span.segment_id}
    speaker_ids = tuple(tx.execute(_LABELLED, key).scalars())
    labels.write(tx, entry, span.collection, {}, [span.segment_id])
    tx.execute(_FORGET_VECTORS, key)
    cluster_ids = sorted(tx.execute(_LEAVE, key).scalars())
    tx.execute(sa.delete(segment).where(segment.c.segment_id == span.segment_id))  # the rest goes by cascade
    tx.execute(_WITHOUT, {**key, "cluster_ids": cluster_ids})
    return SegmentsRemoved(
        collection=span.collection,
        recording_id=span.recording_id,
        segment_ids=(span.segment_id,),
        speaker_ids=speaker_ids,
        cluster_ids=tuple(cluster_ids),
    )
