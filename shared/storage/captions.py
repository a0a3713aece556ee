"""Captions become text segments of their recordings, whichever of the two comes first.

Whoever writes attributes commits them, then calls `settle`; whoever cuts a recording or puts one under a further key
calls it in the same transaction, after its own writes. Each waits for the other's rows, so one of them sees both.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from shared import ids
from shared.corpora.items import CAPTIONS
from shared.events import SegmentsRemoved
from shared.storage import progress, recordings
from shared.storage.database import Transaction
from shared.storage.segments import SegmentSpan

SEGMENTER = "caption"
"""What a caption's segment comes from, with its place in the list: `caption-1`."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Text segments that are new, by recording, and those that no longer stand; the caller announces both."""

    new: tuple[SegmentSpan, ...] = ()
    removed: tuple[SegmentsRemoved, ...] = ()


_CONCERNED = sa.text(f"""
    SELECT recording_id FROM stored_object o JOIN object_attributes t ON t.collection = o.collection AND t.key = o.key
    WHERE o.recording_id = ANY(:ids) AND o.state = 'registered' AND t.data ? '{CAPTIONS}'
    UNION SELECT recording_id FROM segment WHERE recording_id = ANY(:ids) AND modality = 'text'
""")  # noqa: S608  # a constant
# In the order in which embedders lock the two.
_HOLD_COUNTS = sa.text("""
    SELECT FROM recording_progress WHERE recording_id = ANY(:ids) ORDER BY encoder, recording_id FOR UPDATE
""")
# Of every state: one that is just being cut is waited for.
_HOLD = sa.text("SELECT recording_id, state FROM recording WHERE recording_id = ANY(:ids) ORDER BY 1 FOR UPDATE")
_WANTED = sa.text(f"""
    SELECT DISTINCT r.recording_id, r.collection, r.n_samples, c.place, c.text
    FROM recording r
    JOIN stored_object o ON o.recording_id = r.recording_id AND o.state = 'registered'
    JOIN object_attributes t ON t.collection = o.collection AND t.key = o.key
    CROSS JOIN LATERAL jsonb_array_elements_text(t.data->'{CAPTIONS}') WITH ORDINALITY AS c(text, place)
    WHERE r.recording_id = ANY(:ids) AND t.data ? '{CAPTIONS}'
    ORDER BY r.recording_id, c.place, c.text
""")  # noqa: S608  # a constant
_STANDING = sa.text("SELECT segment_id FROM segment WHERE recording_id = ANY(:ids) AND modality = 'text'")
_INSERT = sa.text(f"""
    INSERT INTO segment (segment_id, recording_id, collection, start_sample, end_sample, source, text, modality)
    SELECT n.segment_id, n.recording_id, n.collection, 0, n.n_samples, '{SEGMENTER}-' || n.place, n.text, 'text'
    FROM unnest(CAST(:segment_ids AS uuid[]), CAST(:recording_ids AS uuid[]), CAST(:collections AS text[]),
                CAST(:lengths AS bigint[]), CAST(:places AS int[]), CAST(:texts AS text[]))
         AS n(segment_id, recording_id, collection, n_samples, place, text)
""")  # noqa: S608  # a constant
_COUNT = sa.text("""
    WITH counted AS (
        UPDATE recording r SET n_segments = (SELECT count(*) FROM segment s WHERE s.recording_id = r.recording_id)
        WHERE recording_id = ANY(:ids) RETURNING recording_id, n_segments
    )
    UPDATE recording_progress p SET n_segments = c.n_segments FROM counted c WHERE c.recording_id = p.recording_id
""")


def settle(tx: Transaction, recording_ids: Iterable[UUID]) -> Settled:
    """Make the text segments of these recordings, as far as they are cut, those that their captions say."""
    concerned = sorted(tx.execute(_CONCERNED, {"ids": list(recording_ids)}).scalars())
    if not concerned:
        return Settled()
    tx.execute(_HOLD_COUNTS, {"ids": concerned})
    cut = [row.recording_id for row in tx.execute(_HOLD, {"ids": concerned}) if row.state != "registered"]
    rows = {ids.caption_id(row.recording_id, row.place, row.text): row for row in tx.execute(_WANTED, {"ids": cut})}
    standing = set(tx.execute(_STANDING, {"ids": cut}).scalars())
    new = {segment_id: row for segment_id, row in rows.items() if segment_id not in standing}
    removed = _remove(tx, sorted(standing - rows.keys()))
    if new:
        _insert(tx, new)
    if new or removed:
        _recount(tx, {row.recording_id for row in new.values()}, {event.recording_id for event in removed})
    return Settled(
        tuple(SegmentSpan(s, row.recording_id, row.collection, 0, row.n_samples, "text", row.text)
              for s, row in new.items()),
        removed,
    )  # fmt: skip


def _insert(tx: Transaction, new: dict[UUID, sa.Row[tuple[UUID, str, int, int, str]]]) -> None:
    values = {
        "segment_ids": list(new),
        "recording_ids": [row.recording_id for row in new.values()],
        "collections": [row.collection for row in new.values()],
        "lengths": [row.n_samples for row in new.values()],
        "places": [row.place for row in new.values()],
        "texts": [row.text for row in new.values()],
    }
    tx.execute(_INSERT, values)


_REMOVE = sa.text("""
    WITH vectors AS (
        DELETE FROM embedding WHERE encoder_id = ANY(ARRAY(SELECT encoder_id FROM encoder)) AND segment_id = ANY(:ids)
    ), members AS (
        DELETE FROM cluster_member WHERE segment_id = ANY(:ids)
    )
    DELETE FROM segment WHERE segment_id = ANY(:ids) RETURNING segment_id, recording_id, collection
""")


def _remove(tx: Transaction, segment_ids: Sequence[UUID]) -> tuple[SegmentsRemoved, ...]:
    """Nobody names captions: they go with their vectors, and leave nothing in the log of labels."""
    gone: defaultdict[tuple[str, UUID], list[UUID]] = defaultdict(list)
    if segment_ids:
        for row in tx.execute(_REMOVE, {"ids": list(segment_ids)}):
            gone[row.collection, row.recording_id].append(row.segment_id)
    return tuple(
        SegmentsRemoved(collection=collection, recording_id=recording_id, segment_ids=tuple(own))
        for (collection, recording_id), own in sorted(gone.items())
    )


def _recount(tx: Transaction, grown: set[UUID], shrunk: set[UUID]) -> None:
    tx.execute(_COUNT, {"ids": sorted(grown | shrunk)})
    for recording_id in sorted(shrunk):
        progress.recount_all(tx, recording_id)
    recordings.mark_ready(tx, sorted(shrunk - grown))
