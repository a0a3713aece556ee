"""Forget voices and recordings: all that was made of them, every word on them, and the way back; a receipt is left.

All rows go in one transaction, which also says what shall not come back (tombstones.py). Work that is under way with
any of them finds it gone when it commits, and writes nothing. The log of labels is append-only but for this: what it
says of them goes too, and leaves entries without a name. Objects of the bucket and the log of events follow
(receipts.py, Rest), by whoever hears of `ErasureBegun`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.events import ErasureBegun, Event, RecordingErased, SegmentsRemoved
from shared.ids import new_id
from shared.storage import (
    clusters,
    erased_audio,
    frames,
    keyed_calls,
    labels,
    orphans,
    people,
    receipts,
    subset_values,
    tombstones,
)
from shared.storage.backfills import SEGMENTS_PER_EVENT
from shared.storage.database import Transaction
from shared.storage.erasure_statements import STATEMENTS
from shared.storage.narrowing import UnknownRecording
from shared.storage.receipts import Original, Receipt, Rest


@dataclass(frozen=True, slots=True)
class Erased:
    """The receipt, and what has to be announced in the same transaction; caches forget the `recordings` after it."""

    receipt: Receipt
    events: list[Event]
    recordings: list[UUID]


def erase_speaker(tx: Transaction, name: str, actor: str, *, with_recordings: bool = False) -> Erased:
    """Erase everything of the speaker of that name, and of whoever was merged with them. Raises UnknownSpeaker.

    With the recordings that a segment of theirs lies in, everything of those, too.
    """
    speakers = people.one_voice(tx, people.speaker_named(tx, name))
    return _erase(tx, actor, speakers, (), with_recordings=with_recordings)


def erase_recordings(tx: Transaction, collection: str, recording_ids: Sequence[UUID], actor: str) -> Erased:
    """Erase recordings of one collection. Raises UnknownRecording, with nothing erased, if one is not there."""
    found = tx.execute(_STANDING_OF, {"collection": collection, "recordings": list(recording_ids)}).scalars().all()
    if missing := sorted(set(recording_ids) - set(found)):
        raise UnknownRecording(f"No recording {missing[0]} in {collection!r}.")
    return _erase(tx, actor, (), found)


def erase_what_came_back(tx: Transaction, subject_ids: Sequence[UUID], actor: str) -> Erased | None:
    """Erase those that have a tombstone and stand all the same, as in a backup that was restored; None: there are none.

    Call it after `tombstones.restore` is committed: that holds tombstones, which come after names here.
    """
    subjects = {"subjects": list(tombstones.standing(tx, subject_ids))}
    speakers = tx.execute(_SPEAKERS_BACK, subjects).scalars().all()
    recordings = tx.execute(_RECORDINGS_BACK, subjects).scalars().all()
    return _erase(tx, actor, speakers, recordings) if speakers or recordings else None


_STANDING_OF = sa.text("""
    SELECT recording_id FROM recording WHERE collection = :collection AND recording_id = ANY(:recordings)
""")
_SPEAKERS_BACK = sa.text("SELECT speaker_id FROM speaker WHERE speaker_id = ANY(:subjects)")
_RECORDINGS_BACK = sa.text("SELECT recording_id FROM recording WHERE recording_id = ANY(:subjects)")
_COLLECTIONS = sa.text("""
    SELECT collection FROM assignment WHERE speaker_id = ANY(:speakers)
    UNION SELECT s.collection FROM word w JOIN segment s USING (segment_id) WHERE w.speaker_id = ANY(:speakers)
    UNION SELECT collection FROM centroid WHERE speaker_id = ANY(:speakers)
    UNION SELECT collection FROM recording WHERE recording_id = ANY(:recordings)
    ORDER BY 1
""")
_THEIR_RECORDINGS = sa.text("""
    SELECT DISTINCT s.recording_id FROM assignment a JOIN segment s USING (segment_id)
    WHERE a.speaker_id = ANY(:speakers)
""")


def _erase(
    tx: Transaction,
    actor: str,
    speakers: Sequence[UUID],
    recordings: Sequence[UUID],
    *,
    with_recordings: bool = False,
) -> Erased:
    key: dict[str, Any] = {"speakers": list(speakers), "recordings": list(recordings)}
    collections = _lock_names(tx, key)
    subset_values.hold(tx, collections)
    if with_recordings:
        key["recordings"] = list(tx.execute(_THEIR_RECORDINGS, key).scalars())
    tombstones.claim(tx, [*key["speakers"], *key["recordings"]])
    doomed = _hold(tx, key)
    receipt_id = new_id()
    tombstones.lay(tx, "recording", dict(doomed.collection_of), receipt_id)
    tombstones.lay(tx, "speaker", dict.fromkeys(doomed.speakers), receipt_id)
    erased, blobs = _delete(tx, doomed)
    for collection in collections:
        clusters.recount(tx, collection)
    tx.execute(_COUNTED_AGAIN, {"recordings": doomed.touched})
    tx.execute(_PROGRESS_AGAIN, {"recordings": doomed.touched})
    erased |= {
        "audio and frames": orphans.condemn(tx, blobs),
        "originals": sum(1 for one in doomed.originals if one.etag),
    }
    rest = Rest(
        recordings=sorted(doomed.recordings),
        segments=doomed.ever,
        speakers=doomed.speakers,
        originals=doomed.originals,
        earlier=erased_audio.earlier(tx, doomed.originals),
        sha256s=sorted(doomed.recordings.values()),
    )
    kept = {"names that nothing bears any more": _n_bare(tx, doomed)}
    receipt = receipts.write(tx, receipt_id, actor, erased, doomed.audio_kept, kept, collections, rest)
    return Erased(receipt, _events(doomed, receipt_id), sorted(doomed.recordings))


def _lock_names(tx: Transaction, key: dict[str, Any]) -> list[str]:
    """Lock the names of all collections that lose something; returns these.

    Whoever named somebody just before may have brought in another one. All are locked anew then, in one order
    everywhere.
    """
    locked: list[str] = []
    while True:
        with tx.begin_nested() as attempt:  # a rollback gives its locks back
            for collection in locked:
                labels.lock_names(tx, collection)
            found = list(tx.execute(_COLLECTIONS, key).scalars())
            if set(found) <= set(locked):
                return locked
            attempt.rollback()
        locked = sorted({*locked, *found})


@dataclass(slots=True)
class _Doomed:
    """What goes, locked: nobody can add to it before the transaction ends."""

    speakers: list[UUID]
    recordings: dict[UUID, str]  # sha256 of each original
    collection_of: dict[UUID, str]  # of each of these
    rows: Sequence[Any]  # segments: segment_id, recording_id, collection, speaker_id
    ever: list[UUID] = field(default_factory=list)  # those, and the ones that they were cut from
    originals: list[Original] = field(default_factory=list)  # those that are gone by now have no ETag
    audio_kept: list[str] = field(default_factory=list)  # keys

    @property
    def touched(self) -> list[UUID]:
        """The recordings that lose segments."""
        return sorted({row.recording_id for row in self.rows})


# First of all: an embedder that writes a vector for one of them right now holds its row.
_SEGMENTS = sa.text("""
    SELECT s.segment_id, s.recording_id, s.collection,
           (SELECT a.speaker_id FROM assignment a WHERE a.segment_id = s.segment_id) AS speaker_id FROM segment s
    WHERE s.segment_id IN (SELECT segment_id FROM assignment WHERE speaker_id = ANY(:speakers)
                           UNION SELECT segment_id FROM segment WHERE recording_id = ANY(:recordings))
    ORDER BY s.segment_id FOR UPDATE OF s
""")
# Also of those that only lose segments. In the order in which embedders lock the two. From then on nobody cuts the
# recordings, or gives them captions.
_PROGRESS = sa.text("""
    SELECT FROM recording_progress WHERE recording_id = ANY(:recordings) ORDER BY encoder, recording_id FOR UPDATE
""")
_RECORDINGS = sa.text("""
    SELECT recording_id, collection, sha256 FROM recording WHERE recording_id = ANY(:recordings)
    ORDER BY recording_id FOR UPDATE
""")
# A segment that was split by hand is gone, but the log of labels still tells of it.
_CUT_FROM = sa.text("""
    SELECT segment_id FROM label WHERE operation = 'divide' AND collection = ANY(:collections)
      AND segment_id IS NOT NULL AND detail->'parts' ?| CAST(CAST(:segments AS uuid[]) AS text[])
""")


def _hold(tx: Transaction, key: dict[str, Any]) -> _Doomed:
    touched = {row.recording_id for row in tx.execute(_SEGMENTS, key)}
    held = {"recordings": sorted({*touched, *key["recordings"]})}
    tx.execute(_PROGRESS, held)
    asked = set(key["recordings"])
    rows = [row for row in tx.execute(_RECORDINGS, held) if row.recording_id in asked]
    doomed = _Doomed(
        speakers=key["speakers"],
        recordings={row.recording_id: row.sha256 for row in rows},
        collection_of={row.recording_id: row.collection for row in rows},
        rows=tx.execute(_SEGMENTS, key).all(),  # again: some may have come before the recordings were locked
    )
    theirs = [row.segment_id for row in doomed.rows if row.recording_id in doomed.recordings]
    earlier = _cut_from(tx, sorted(set(doomed.collection_of.values())), theirs)
    doomed.ever = [*(row.segment_id for row in doomed.rows), *earlier]
    doomed.originals = erased_audio.originals(tx, list(doomed.recordings))
    doomed.audio_kept = erased_audio.kept(tx, doomed.touched, list(doomed.recordings))
    return doomed


def _cut_from(tx: Transaction, collections: Sequence[str], segment_ids: Sequence[UUID]) -> list[UUID]:
    found: dict[UUID, None] = {}
    parts = list(segment_ids)
    while parts:
        asked = {"collections": list(collections), "segments": parts}
        parts = [s for s in tx.execute(_CUT_FROM, asked).scalars() if s not in found]
        found |= dict.fromkeys(parts)
    return list(found)


_BLOBS = sa.text("""
    SELECT derived_key AS key FROM recording WHERE recording_id = ANY(:recordings) AND derived_key IS NOT NULL
    UNION SELECT key FROM rendition WHERE recording_id = ANY(:recordings) AND key IS NOT NULL
""")


def _delete(tx: Transaction, doomed: _Doomed) -> tuple[dict[str, int], list[str]]:
    """How much of what went, and the keys of blobs that it referred to."""
    recordings = list(doomed.recordings)
    blobs = [*tx.execute(_BLOBS, {"recordings": recordings}).scalars(), *frames.discard(tx, doomed.ever)]
    emptied = sorted(set(doomed.collection_of.values()))
    values = {
        "speakers": doomed.speakers,
        "segments": doomed.ever,
        "recordings": recordings,
        "collections": sorted({row.collection for row in doomed.rows}),
        "emptied": emptied,
        "objects": [one.object_id for one in doomed.originals],
        "keys": [one.key for one in doomed.originals],
    }
    erased = {what: tx.execute(sa.text(statement), values).rowcount for what, statement in STATEMENTS.items()}
    erased_audio.withdraw(tx, doomed.originals)
    erased["values in subsets"] = subset_values.forget(tx, emptied)
    keyed_calls.forget_answers(tx)
    return erased, blobs


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
_N_BARE = sa.text("""
    SELECT count(*) FROM speaker p WHERE speaker_id = ANY(:named)
      AND NOT EXISTS (SELECT FROM word w WHERE w.speaker_id = p.speaker_id)
      AND NOT EXISTS (SELECT FROM assignment a WHERE a.speaker_id = p.speaker_id)
""")


def _n_bare(tx: Transaction, doomed: _Doomed) -> int:
    """Speakers who were heard in what went, and whom nothing names any more: their names stay, with no voice."""
    return int(tx.execute(_N_BARE, {"named": sorted(_named(doomed.rows))}).scalar_one())


def _named(rows: Iterable[Any]) -> set[UUID]:
    return {row.speaker_id for row in rows if row.speaker_id is not None}


def _events(doomed: _Doomed, receipt_id: UUID) -> list[Event]:
    erased = [
        RecordingErased(recording_id=recording_id, collection=collection, receipt_id=receipt_id)
        for recording_id, collection in sorted(doomed.collection_of.items())
    ]
    return [*_removed(doomed), *erased, ErasureBegun(receipt_id=receipt_id)]


def _removed(doomed: _Doomed) -> Iterable[SegmentsRemoved]:
    by_recording: dict[tuple[UUID, str], list[Any]] = {}
    for row in doomed.rows:
        by_recording.setdefault((row.recording_id, row.collection), []).append(row)
    for (recording_id, collection), rows in sorted(by_recording.items()):
        for at in range(0, len(rows), SEGMENTS_PER_EVENT):
            gone = rows[at : at + SEGMENTS_PER_EVENT]
            yield SegmentsRemoved(
                collection=collection,
                recording_id=recording_id,
                segment_ids=tuple(row.segment_id for row in gone),
                speaker_ids=tuple(sorted({*doomed.speakers, *_named(gone)})),
            )
