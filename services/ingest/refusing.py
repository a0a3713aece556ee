"""Keep out what was erased: its bytes are no recording, whoever puts them back, until somebody lets them in again."""

from dataclasses import replace

from services.ingest.registering import Registered, Rejected, Results, derived_key
from shared.events import ErasureBegun, ObjectSeen
from shared.ledger.consumer import Commit
from shared.storage import attributes, late_originals, orphans, tombstones
from shared.storage.late_originals import Late
from shared.storage.receipts import Original
from shared.storage.recordings import Outcome

ACTOR = "ingest"
"""Who the receipt of what is erased late names."""


def without_erased(commit: Commit, results: Results) -> Results:
    """The same with erased recordings rejected; call it before anything else in the transaction that writes them.

    What had lain in the bucket before the erasure, and was not known to hold these bytes, is erased now.
    """
    tx = commit.tx
    erased = tombstones.hold(tx, [one.recording.recording_id for one in results.registered])
    back = [one for one in results.registered if one.recording.recording_id in erased]
    if not back:
        return results
    attributes.forget(tx, [one.outcome.object_id for one in back])
    orphans.condemn(tx, {derived_key(one.recording.sha256) for one in back})
    if (receipt_id := late_originals.erase(tx, list(map(_late, back)), ACTOR)) is not None:
        commit.publish(ErasureBegun(receipt_id=receipt_id), cause=back[0].delivered)
    return replace(
        results,
        registered=[one for one in results.registered if one.recording.recording_id not in erased],
        rejected=[*results.rejected, *map(_refused, back)],
    )


def _late(back: Registered) -> Late:
    seen, told = back.delivered.event, back.outcome
    assert isinstance(seen, ObjectSeen)
    original = Original(told.object_id, seen.bucket, seen.key, told.etag)
    return Late(original, told.seen_etag, back.recording.recording_id, seen.collection, back.recording.sha256)


def _refused(back: Registered) -> Rejected:
    told, why = back.outcome, tombstones.refused(back.recording.recording_id)
    return Rejected(back.delivered, Outcome(told.object_id, told.seen_etag, told.etag, None, why.code, why.sentence()))
