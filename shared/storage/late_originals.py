"""Erase objects that lay in the bucket before an erasure, while nobody knew yet that they held the erased bytes.

A second key whose decoding was still waiting, say, or the first one, put again. The erasure found no such original.
What is put after an erasure is refused, but stays: it may be let in again. Stores tell the time to the second, so what
was put within the second of an erasure counts as put before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from shared.ids import new_id
from shared.storage import erased_audio, receipts
from shared.storage.database import Transaction
from shared.storage.receipts import Original, Rest


@dataclass(frozen=True, slots=True)
class Late:
    """An object whose bytes turned out to be erased; one that was overwritten since has another ETag than was seen.

    One that is gone had held the recording before, and has neither ETag nor hash.
    """

    original: Original
    seen_etag: str
    recording_id: UUID
    collection: str
    sha256: str | None


_HELD_BEFORE = sa.text("""
    SELECT o.object_id, o.last_recording_id
    FROM unnest(CAST(:objects AS uuid[]), CAST(:etags AS text[])) AS n(object_id, etag)
    JOIN stored_object o ON o.object_id = n.object_id AND o.etag = n.etag
    WHERE o.last_recording_id IS NOT NULL
""")


def held_before(tx: Transaction, seen: Mapping[UUID, str]) -> dict[UUID, UUID]:
    """The recordings that objects held before they were seen with these ETags, of those that held one."""
    values = {"objects": list(seen), "etags": list(seen.values())}
    return {row.object_id: row.last_recording_id for row in tx.execute(_HELD_BEFORE, values)}


_BEFORE = sa.text("""
    SELECT o.object_id FROM unnest(CAST(:objects AS uuid[]), CAST(:etags AS text[]), CAST(:recordings AS uuid[]))
                            AS n(object_id, etag, recording_id)
    JOIN stored_object o ON o.object_id = n.object_id AND o.etag = n.etag
    JOIN tombstone t ON t.subject_id = n.recording_id AND least(o.seen_at, o.modified_at) < t.erased_at
""")


def erase(tx: Transaction, found: Sequence[Late], actor: str) -> UUID | None:
    """Write a receipt of those that had been put before their recording was erased; None if there are none.

    The caller announces it, and writes that the objects are refused as erased.
    """
    values = {
        "objects": [one.original.object_id for one in found],
        "etags": [one.seen_etag for one in found],
        "recordings": [one.recording_id for one in found],
    }
    before = set(tx.execute(_BEFORE, values).scalars())
    late = [one for one in found if one.original.object_id in before]
    if not late:
        return None
    originals = [one.original for one in late]
    rest = Rest(
        recordings=sorted({one.recording_id for one in late}),  # not let in again before this is done, too
        originals=originals,
        earlier=erased_audio.earlier(tx, originals),
        sha256s=sorted({one.sha256 for one in late if one.sha256}),
    )
    collections = sorted({one.collection for one in late})
    receipt_id = new_id()
    erased = {"originals": sum(1 for one in originals if one.etag)}
    receipts.write(tx, receipt_id, actor, erased, [], {}, collections, rest)
    return receipt_id
