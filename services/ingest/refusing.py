"""Keep out what was erased: its bytes are no recording, whoever puts them back, until somebody lets them in again."""

from dataclasses import replace
from uuid import UUID

from services.ingest.decoded import derived_key
from services.ingest.registering import Registered, Rejected, Results
from shared.events import ErasureBegun, ObjectSeen
from shared.ledger.consumer import Commit
from shared.storage import attributes, late_originals, orphans, tombstones
from shared.storage.database import Transaction
from shared.storage.late_originals import Late
from shared.storage.objects import ObjectGone
from shared.storage.receipts import Original
from shared.storage.recordings import Outcome

ACTOR = "ingest"
"""Who the receipt of what is erased late names."""


def without_erased(commit: Commit, results: Results) -> Results:
    """The same with erased recordings rejected; call it before anything else in the transaction that writes them.

    What had lain in the bucket before the erasure, and was not known to hold these bytes, is erased now. So is what is
    told of a key that had held them, was put again before the erasure, and is empty.
    """
    tx = commit.tx
    held = _held_by_gone(tx, results)
    erased = tombstones.hold(tx, [*(one.recording.recording_id for one in results.registered), *held.values()])
    back = [one for one in results.registered if one.recording.recording_id in erased]
    gone = [one for one in results.rejected if held.get(one.outcome.object_id) in erased]
    if not back and not gone:
        return results
    late = [_late(one, one.recording.recording_id, one.recording.sha256) for one in back]
    late += [_late(one, held[one.outcome.object_id], None) for one in gone]
    attributes.forget(tx, [one.original.object_id for one in late])
    orphans.condemn(tx, {derived_key(one.recording.sha256) for one in back})
    if (receipt_id := late_originals.erase(tx, late, ACTOR)) is not None:
        told = [*(one.delivered for one in back), *(one.delivered for one in gone)]
        commit.publish(ErasureBegun(receipt_id=receipt_id), cause=told[0])
    return replace(
        results,
        registered=[one for one in results.registered if one.recording.recording_id not in erased],
        rejected=[*results.rejected, *map(_refused, back)],
    )


def _held_by_gone(tx: Transaction, results: Results) -> dict[UUID, UUID]:
    """The recordings that objects held which were put again, and were gone when they were to be read."""
    gone = [one.outcome for one in results.rejected if one.outcome.code == ObjectGone.code]
    return late_originals.held_before(tx, {one.object_id: one.seen_etag for one in gone})


def _late(one: Registered | Rejected, recording_id: UUID, sha256: str | None) -> Late:
    seen, told = one.delivered.event, one.outcome
    assert isinstance(seen, ObjectSeen)
    original = Original(told.object_id, seen.bucket, seen.key, told.etag)
    return Late(original, told.seen_etag, recording_id, seen.collection, sha256)


def _refused(back: Registered) -> Rejected:
    told, why = back.outcome, tombstones.refused(back.recording.recording_id)
    return Rejected(back.delivered, Outcome(told.object_id, told.seen_etag, told.etag, None, why.code, why.sentence()))
