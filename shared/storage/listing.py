"""Pages of the objects, recordings and segments of a collection, by keyset: one costs the same wherever it begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from shared.storage import attributes
from shared.storage.database import Transaction
from shared.storage.labels import SegmentGone
from shared.storage.narrowing import CONDITIONS, Narrowing
from shared.units import seconds

_FIRST_UUID: Final = UUID(int=0)
_FIRST_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One key: what became of the object, and of the recording that it holds. An unseen key has no state."""

    object_key: str
    state: str | None
    status: str
    recording_id: UUID | None = None
    code: str | None = None
    reason: str | None = None
    segments: int | None = None
    etag: str | None = None
    size_bytes: int | None = None
    seen_at: datetime | None = None


_OBJECT = """
    SELECT o.key AS object_key, o.state, o.recording_id, o.code, o.reason, r.n_segments AS segments, o.etag,
           o.size_bytes, o.seen_at, CASE WHEN o.state = 'rejected' THEN 'rejected' WHEN r.state = 'ready' THEN 'ready'
                              WHEN o.state = 'archive' AND NOT EXISTS (
                                  SELECT FROM archive a WHERE a.object_id = o.object_id AND a.state = 'unpacking'
                              ) THEN 'unpacked' ELSE 'pending' END AS status
    FROM stored_object o LEFT JOIN recording r USING (recording_id)
"""
_OBJECTS = sa.text(f"""{_OBJECT}
    WHERE o.collection = :collection AND o.key > :after AND (:state = '' OR o.state = :state)
    ORDER BY o.key LIMIT :most
""")  # constants
_OBJECTS_BY_KEY = sa.text(f"{_OBJECT} WHERE o.collection = :collection AND o.key = ANY(:keys)")


def objects(tx: Transaction, collection: str, *, after: str = "", state: str = "", most: int) -> list[ListedObject]:
    """By key, in byte order; `state` narrows it down to one."""
    values = {"collection": collection, "after": after, "state": state, "most": most}
    return [ListedObject(**row) for row in tx.execute(_OBJECTS, values).mappings()]


def objects_by_key(tx: Transaction, collection: str, keys: Sequence[str]) -> list[ListedObject]:
    """One for every key, in the order of the keys; a key that nobody has seen yet is pending."""
    rows = tx.execute(_OBJECTS_BY_KEY, {"collection": collection, "keys": list(keys)}).mappings()
    found = {row["object_key"]: ListedObject(**row) for row in rows}
    return [found.get(key, ListedObject(key, None, "pending")) for key in keys]


@dataclass(frozen=True, slots=True)
class ListedRecording:
    """A recording, the keys it lies under and who is known to speak in it."""

    recording_id: UUID
    object_keys: list[str]
    state: str
    duration_s: float
    segments: int | None
    speakers: list[str]
    created_at: datetime
    facts: dict[str, Any]
    attributes: dict[str, Any] | None  # of the first of its keys that has any


def _recordings(condition: str) -> sa.TextClause:
    return sa.text(f"""
    SELECT r.recording_id, r.state, r.n_samples, r.n_segments, r.created_at, r.facts,
           ARRAY(SELECT o.key FROM stored_object o WHERE o.recording_id = r.recording_id ORDER BY o.key) AS object_keys,
           ARRAY(SELECT DISTINCT p.name FROM segment s JOIN assignment a USING (segment_id)
                 JOIN speaker p USING (speaker_id) WHERE s.recording_id = r.recording_id ORDER BY p.name) AS speakers,
           {attributes.of_recording("r.recording_id")} AS attributes
    FROM recording r
    WHERE r.collection = :collection AND (r.created_at, r.recording_id) > (:created_at, :recording_id) {condition}
    ORDER BY r.created_at, r.recording_id LIMIT :most
    """)  # noqa: S608  # constants


_RECORDINGS: Final = _recordings("")
_RECORDINGS_HAVING: Final = _recordings(f"AND r.recording_id IN ({attributes.HAVING})")


def recordings(
    tx: Transaction,
    collection: str,
    *,
    after: tuple[datetime, UUID] = (_FIRST_TIME, _FIRST_UUID),
    having: str | None = None,
    most: int,
) -> list[ListedRecording]:
    """In the order in which they were registered; with `having`, those whose attributes fulfil the predicate."""
    values = {"collection": collection, "created_at": after[0], "recording_id": after[1], "most": most}
    statement = _RECORDINGS
    if having is not None:
        statement, values = _RECORDINGS_HAVING, {**values, "attributes": having}
    return [
        ListedRecording(
            recording_id=row.recording_id,
            object_keys=row.object_keys,
            state=row.state,
            duration_s=seconds(row.n_samples),
            segments=row.n_segments,
            speakers=row.speakers,
            created_at=row.created_at,
            facts=row.facts,
            attributes=row.attributes,
        )
        for row in tx.execute(statement, values)
    ]


@dataclass(frozen=True, slots=True)
class ListedSegment:
    """A segment with everything that is known about who speaks in it."""

    segment_id: UUID
    recording_id: UUID
    object_key: str | None  # None: the recording lies under no key any more
    start_s: float
    end_s: float
    source: str
    text: str | None
    speaker_label: str | None
    cluster_id: UUID | None
    speaker: str | None
    assigned_by: str | None
    confidence: float | None
    suggestion: str | None = None  # whom it may belong to, where nobody and no rule says so
    suggestion_probability: float | None = None
    words: list[dict[str, Any]] | None = None  # of a transcriber: start_s, end_s, text
    modality: str = "audio"
    attributes: dict[str, Any] | None = None  # of the first of the recording's keys that has any


SEGMENT_COLUMNS: Final = f"""
    s.segment_id, s.recording_id, s.start_sample, s.end_sample, s.source, s.text, s.speaker_label, a.assigned_by,
    a.confidence, p.name AS speaker, s.words, q.name AS suggestion, g.probability AS suggestion_probability,
    s.modality, {attributes.of_recording("s.recording_id")} AS attributes,
    (SELECT m.cluster_id FROM cluster_member m
     WHERE m.segment_id = s.segment_id AND m.until_generation IS NULL
       AND m.encoder = (SELECT encoders[1] FROM collection WHERE name = s.collection)) AS cluster_id
"""  # noqa: S608  # constants
SEGMENT_NAMES: Final = """
    LEFT JOIN assignment a USING (segment_id) LEFT JOIN speaker p USING (speaker_id)
    LEFT JOIN suggestion g USING (segment_id) LEFT JOIN speaker q ON q.speaker_id = g.speaker_id
"""
FIRST_KEYS: Final = """
    o.collection = :collection AND o.state = 'registered' AND NOT EXISTS (
        SELECT FROM stored_object e WHERE e.recording_id = o.recording_id AND e.state = 'registered' AND e.key < o.key)
"""
"""Of the objects that hold one recording, the one by whose key it goes: the first in byte order."""

_EVERYTHING: Final = Narrowing()

FEW: Final = 2000
"""Of so many recordings at most the segments are found from the recordings; of more, by walking in the order of keys.

Postgres cannot tell how rare an attribute is, and would read all segments to find those of nine recordings.
"""
_CONDITIONS: Final = {**CONDITIONS, "few": "s.recording_id = ANY(:few)"}
_FEW = sa.text(f"{attributes.HAVING} LIMIT :most")


@cache
def _segments(narrowed_by: tuple[str, ...]) -> sa.TextClause:
    """A statement for each: one with `:id IS NULL OR ...` would keep Postgres from planning by the narrower index.

    The first condition on the key lets the index find the page, the second one cuts it off exactly.
    """
    narrowed = "".join(f"AND {_CONDITIONS[name]} " for name in narrowed_by)
    return sa.text(f"""
        SELECT o.key AS object_key, {SEGMENT_COLUMNS}
        FROM stored_object o JOIN segment s USING (recording_id) {SEGMENT_NAMES}
        WHERE {FIRST_KEYS} AND o.key >= :key AND (o.key, s.start_sample, s.segment_id) > (:key, :start, :segment_id)
        {narrowed} ORDER BY o.key, s.start_sample, s.segment_id LIMIT :most
    """)  # noqa: S608  # constants


_SEGMENT = sa.text(f"""
    SELECT (SELECT min(o.key) FROM stored_object o WHERE o.recording_id = s.recording_id AND o.state = 'registered')
           AS object_key, {SEGMENT_COLUMNS}
    FROM segment s {SEGMENT_NAMES} WHERE s.segment_id = :segment_id
""")  # noqa: S608  # constants


def as_segment(row: Any) -> ListedSegment:
    """A row of SEGMENT_COLUMNS and `object_key`."""
    return ListedSegment(
        segment_id=row.segment_id,
        recording_id=row.recording_id,
        object_key=row.object_key,
        start_s=seconds(row.start_sample),
        end_s=seconds(row.end_sample),
        source=row.source,
        text=row.text,
        speaker_label=row.speaker_label,
        cluster_id=row.cluster_id,
        speaker=row.speaker,
        assigned_by=row.assigned_by,
        confidence=row.confidence,
        suggestion=row.suggestion,
        suggestion_probability=row.suggestion_probability,
        words=row.words and [{"start_s": seconds(a), "end_s": seconds(b), "text": text} for a, b, text in row.words],
        modality=row.modality,
        attributes=row.attributes,
    )


def segments(
    tx: Transaction,
    collection: str,
    *,
    after: tuple[str, int, UUID] = ("", -1, _FIRST_UUID),
    narrowed_to: Narrowing = _EVERYTHING,
    most: int,
) -> list[ListedSegment]:
    """By object key and start."""
    key, start, segment_id = after
    place = {"collection": collection, "key": key, "start": start, "segment_id": segment_id, "most": most}
    narrow = narrowed_to.values()
    if narrowed_to.attributes is not None:
        matching = {"collection": collection, "attributes": narrowed_to.attributes}
        few = list(tx.execute(_FEW, {**matching, "most": FEW + 1}).scalars())
        if not few:
            return []
        if len(few) <= FEW:
            narrow = {name: value for name, value in narrow.items() if name != "attributes"} | {"few": few}
    return [as_segment(row) for row in tx.execute(_segments(tuple(narrow)), {**place, **narrow})]


def segment(tx: Transaction, segment_id: UUID) -> ListedSegment:
    """Raises SegmentGone."""
    row = tx.execute(_SEGMENT, {"segment_id": segment_id}).one_or_none()
    if row is None:
        raise SegmentGone(f"No segment {segment_id}.")
    return as_segment(row)
