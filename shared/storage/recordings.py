"""Objects, the recordings that they turned out to be, and how far each recording is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.events import ObjectSeen
from shared.storage.database import Transaction
from shared.storage.objects import StoredObject
from shared.storage.tables import recording
from shared.units import SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class SeenObject:
    """An object as the bucket lists it; `collection` is None for a key outside any collection."""

    object_id: UUID
    collection: str | None
    bucket: str
    key: str
    etag: str
    size_bytes: int
    modified_at: datetime | None = None


# A PUT of the same bytes counts too: whatever a limit or an outage made of the last one, it is looked at again. Stores
# tell the time to the second in one place and more finely in another, so the time must differ by more than a second.
_SEE = sa.text("""
    INSERT INTO stored_object AS o (object_id, collection, bucket, key, etag, size_bytes, modified_at)
    SELECT * FROM unnest(
        CAST(:object_ids AS uuid[]), CAST(:collections AS text[]), CAST(:buckets AS text[]), CAST(:keys AS text[]),
        CAST(:etags AS text[]), CAST(:sizes AS bigint[]), CAST(:modified AS timestamptz[]))
    ON CONFLICT (object_id) DO UPDATE SET
        etag = excluded.etag, size_bytes = excluded.size_bytes, collection = excluded.collection,
        modified_at = excluded.modified_at,
        state = 'seen', recording_id = NULL, code = NULL, reason = NULL, seen_at = clock_timestamp()
    WHERE (o.etag, o.size_bytes) IS DISTINCT FROM (excluded.etag, excluded.size_bytes)
       OR excluded.modified_at > o.modified_at + interval '1 second'
    RETURNING object_id
""")


def see(tx: Transaction, objects: Sequence[SeenObject]) -> set[UUID]:
    """Write down objects that are new or have new bytes; returns their ids. What is known already costs no write."""
    unique = {o.object_id: o for o in objects}
    rows = [unique[key] for key in sorted(unique)]  # in one order everywhere, so that two watchers never deadlock
    written = tx.execute(
        _SEE,
        {
            "object_ids": [o.object_id for o in rows],
            "collections": [o.collection for o in rows],
            "buckets": [o.bucket for o in rows],
            "keys": [o.key for o in rows],
            "etags": [o.etag for o in rows],
            "sizes": [o.size_bytes for o in rows],
            "modified": [o.modified_at for o in rows],
        },
    )
    return set(written.scalars())


_KNOWN = sa.text("""
    SELECT n.key FROM unnest(CAST(:keys AS text[]), CAST(:etags AS text[]), CAST(:sizes AS bigint[]),
                             CAST(:modified AS timestamptz[])) AS n(key, etag, size_bytes, modified_at)
    JOIN stored_object o ON o.bucket = :bucket AND o.key = n.key
    WHERE (o.etag, o.size_bytes) = (n.etag, n.size_bytes)
      AND (n.modified_at > o.modified_at + interval '1 second') IS NOT TRUE
""")


def known_keys(tx: Transaction, bucket: str, listed: Sequence[StoredObject]) -> set[str]:
    """Those of the listed keys that are known just as they are; a look that writes nothing."""
    values = {
        "bucket": bucket,
        "keys": [one.key for one in listed],
        "etags": [one.etag for one in listed],
        "sizes": [one.size_bytes for one in listed],
        "modified": [one.modified_at for one in listed],
    }
    return set(tx.execute(_KNOWN, values).scalars())


@dataclass(frozen=True, slots=True)
class NewRecording:
    """A decoded object."""

    recording_id: UUID
    collection: str
    sha256: str
    n_samples: int
    derived_key: str
    facts: dict[str, Any]


def register(tx: Transaction, recordings: Sequence[NewRecording]) -> set[UUID]:
    """Insert the recordings that do not exist yet; returns the ids of the new ones.

    Of the others, the mono audio lies where it was put just now: what had lain there before may have been lost.
    """
    unique = {r.recording_id: r for r in recordings}
    if not unique:
        return set()
    inserted = insert(recording)
    # The update also locks, so that one that is just being forgotten is waited for and made anew.
    statement = inserted.on_conflict_do_update(
        index_elements=["recording_id"], set_={"derived_key": inserted.excluded.derived_key}
    ).returning(recording.c.recording_id, sa.literal_column("xmax = 0", sa.Boolean))
    rows = [
        {
            "recording_id": r.recording_id,
            "collection": r.collection,
            "sha256": r.sha256,
            "n_samples": r.n_samples,
            "derived_key": r.derived_key,
            "facts": r.facts,
        }
        for _, r in sorted(unique.items())
    ]
    return {recording_id for recording_id, is_new in tx.execute(statement.values(rows)) if is_new}


_LOCK = sa.text("SELECT recording_id FROM recording WHERE recording_id = ANY(:ids) ORDER BY recording_id FOR UPDATE")
_FORGET = sa.text("""
    WITH gone AS (
        DELETE FROM recording WHERE recording_id = ANY(:ids) AND state <> 'ready'
          AND NOT EXISTS (SELECT FROM stored_object o WHERE o.recording_id = recording.recording_id)
        RETURNING recording_id
    ), vectors AS (
        DELETE FROM embedding e USING segment s, gone
        WHERE s.recording_id = gone.recording_id AND e.segment_id = s.segment_id
    )
    SELECT recording_id FROM gone
""")


def forget(tx: Transaction, recording_ids: Sequence[UUID]) -> set[UUID]:
    """Delete those that are still in work and lie under no key any more, with what was made of them.

    Returns all that do not stand now, also those that were erased meanwhile. Whoever puts their bytes back registers
    them anew.
    """
    asked = {"ids": list(recording_ids)}
    standing = set(tx.execute(_LOCK, asked).scalars())  # first: what takes one up meanwhile must be seen below
    return set(recording_ids) - standing | set(tx.execute(_FORGET, asked).scalars())


_LOOK_AGAIN = sa.text("""
    SELECT object_id, collection, bucket, key, etag, size_bytes FROM stored_object WHERE recording_id = :recording_id
    ORDER BY key LIMIT 1
""")


def look_again(tx: Transaction, recording_id: UUID) -> ObjectSeen | None:
    """What makes ingest look at an object that should hold a recording as if it were new; None: there is no such one.

    It finds other bytes there, or nothing, or makes the mono audio again that was lost.
    """
    row = tx.execute(_LOOK_AGAIN, {"recording_id": recording_id}).mappings().one_or_none()
    return None if row is None else ObjectSeen(**row)


_SETTLE = sa.text("""
    UPDATE stored_object SET state = n.state, recording_id = n.recording_id, etag = n.etag, code = n.code,
           reason = n.reason
    FROM unnest(CAST(:object_ids AS uuid[]), CAST(:seen_etags AS text[]), CAST(:etags AS text[]),
                CAST(:states AS text[]), CAST(:recording_ids AS uuid[]), CAST(:codes AS text[]),
                CAST(:reasons AS text[])) AS n(object_id, seen_etag, etag, state, recording_id, code, reason)
    WHERE stored_object.object_id = n.object_id AND stored_object.etag = n.seen_etag
    RETURNING n.object_id, n.seen_etag
""")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an object: a recording, a rejection with its code and reason, or an archive, which has neither."""

    object_id: UUID
    seen_etag: str  # an object that was overwritten meanwhile is left to its newer event
    etag: str
    recording_id: UUID | None = None
    code: str | None = None
    reason: str | None = None

    @property
    def state(self) -> str:
        """Of the object from then on."""
        if self.recording_id:
            return "registered"
        return "rejected" if self.code else "archive"


def settle(tx: Transaction, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Write the outcomes onto the objects; returns those that still hold, the others have been overtaken."""
    rows = sorted(outcomes, key=lambda o: o.object_id)
    written = tx.execute(
        _SETTLE,
        {
            "object_ids": [o.object_id for o in rows],
            "seen_etags": [o.seen_etag for o in rows],
            "etags": [o.etag for o in rows],
            "states": [o.state for o in rows],
            "recording_ids": [o.recording_id for o in rows],
            "codes": [o.code for o in rows],
            "reasons": [o.reason for o in rows],
        },
    )
    standing = {(row.object_id, row.seen_etag) for row in written}
    return [o for o in rows if (o.object_id, o.seen_etag) in standing]


@dataclass(frozen=True, slots=True)
class AudioSource:
    """Where the mono audio of a recording lies, or its original; no key: it lies nowhere."""

    recording_id: UUID
    n_samples: int
    peak: float
    bucket: str
    key: str | None
    sha256: str  # of the original
    sample_rate_hz: int = SAMPLE_RATE_HZ


_SOURCES = sa.text("""
    SELECT r.recording_id, r.n_samples, coalesce((r.facts->>'peak')::real, 1) AS peak, r.sha256,
           CAST(:bucket AS text) AS bucket, r.derived_key AS key
    FROM recording r WHERE r.recording_id = ANY(:ids)
""")


def audio_sources(tx: Transaction, recording_ids: Sequence[UUID], derived_bucket: str) -> dict[UUID, AudioSource]:
    """Where to read each of the recordings from: what the confined child has written, never the original."""
    rows = tx.execute(_SOURCES, {"ids": list(set(recording_ids)), "bucket": derived_bucket}).mappings()
    return {row["recording_id"]: AudioSource(**row) for row in rows}


def mark_ready(tx: Transaction, recording_ids: Sequence[UUID]) -> None:
    """Make ready those whose every encoder has been through all segments."""
    tx.execute(
        sa.text("""
            UPDATE recording SET state = 'ready' WHERE recording_id = ANY(:ids) AND state = 'segmented'
              AND NOT EXISTS (SELECT FROM recording_progress p WHERE p.recording_id = recording.recording_id
                              AND p.n_embedded + p.n_without_voice < p.n_segments)
        """),
        {"ids": list(recording_ids)},
    )
