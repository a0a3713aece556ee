"""The objects that an erasure reaches: those that hold its recordings, and those that did until they were found gone.

And the keys of those that it does not reach, though they hold the same audio.
"""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from shared.events import ObjectSeen
from shared.storage.database import Transaction
from shared.storage.receipts import Original

# Nothing lies under the keys of those that were found gone; what comes there next has an ETag that is none of theirs.
_ORIGINALS = sa.text("""
    SELECT object_id, bucket, key, CASE WHEN code = 'object_gone' THEN '' ELSE etag END AS etag FROM stored_object
    WHERE recording_id = ANY(:recordings) OR last_recording_id = ANY(:recordings) AND code = 'object_gone'
    ORDER BY object_id FOR UPDATE
""")


def originals(tx: Transaction, recording_ids: Sequence[UUID]) -> list[Original]:
    """All of these recordings, locked; those that are gone have no ETag."""
    return [Original(*row) for row in tx.execute(_ORIGINALS, {"recordings": list(recording_ids)})]


# The bucket's sweep knows them as they are, until they are deleted.
_WITHDRAW = sa.text("""
    UPDATE stored_object SET state = 'rejected', recording_id = NULL, code = 'erased',
           reason = 'It was erased, and is being deleted from the bucket.'
    WHERE object_id = ANY(:ids)
""")


def withdraw(tx: Transaction, found: Sequence[Original]) -> None:
    """Let them be nobody's, and refused, until they have left the bucket."""
    tx.execute(_WITHDRAW, {"ids": [one.object_id for one in found]})


_EARLIER = sa.text("""
    SELECT DISTINCT o.object_id, o.bucket, o.key, e.data->>'etag' AS etag
    FROM unnest(CAST(:objects AS uuid[]), CAST(:buckets AS text[]), CAST(:keys AS text[]), CAST(:etags AS text[]))
         AS o(object_id, bucket, key, etag)
    JOIN event e ON e.subject = o.key AND e.subject <> '' AND e.type = :seen
    WHERE e.data->>'object_id' = CAST(o.object_id AS text) AND e.data->>'etag' <> o.etag
    ORDER BY 1, 4
""")


def earlier(tx: Transaction, found: Sequence[Original]) -> list[Original]:
    """What the log says lay under these keys before, with other ETags: it tells of the keys there, too."""
    values = {
        "objects": [one.object_id for one in found],
        "buckets": [one.bucket for one in found],
        "keys": [one.key for one in found],
        "etags": [one.etag for one in found],
        "seen": ObjectSeen.type,
    }
    return [Original(*row) for row in tx.execute(_EARLIER, values)]


# The recordings that a speaker was heard in, the same bytes elsewhere, and the archives that any of them came out of.
_KEPT = sa.text("""
    WITH bytes AS (
        SELECT sha256 FROM recording WHERE recording_id = ANY(:touched) OR recording_id = ANY(:recordings)
    ), heard AS (
        SELECT o.key, o.collection, r.recording_id = ANY(:recordings) AS goes, o.recording_id IS NULL AS gone
        FROM recording r JOIN stored_object o ON o.recording_id = r.recording_id
          OR o.last_recording_id = r.recording_id AND o.code = 'object_gone'
        WHERE r.sha256 IN (SELECT sha256 FROM bytes)
    )
    SELECT key FROM heard WHERE NOT goes AND NOT gone
    UNION SELECT a.key FROM heard h JOIN archive a USING (collection)
    JOIN archive_member m ON m.archive_id = a.archive_id AND m.key = h.key
    ORDER BY key
""")


def kept(tx: Transaction, touched: Sequence[UUID], recording_ids: Sequence[UUID]) -> list[str]:
    """Keys of audio that is still there when these recordings go, and these others only lose segments."""
    return list(tx.execute(_KEPT, {"touched": list(touched), "recordings": list(recording_ids)}).scalars())
