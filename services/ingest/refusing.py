"""Keep out what was erased: its bytes are no recording, whoever puts them back, until somebody lets them in again."""

from services.ingest.registering import Registered, Rejected, Results, derived_key
from shared.storage import attributes, orphans, tombstones
from shared.storage.database import Transaction
from shared.storage.recordings import Outcome
from shared.storage.tombstones import BytesErased


def without_erased(tx: Transaction, results: Results) -> Results:
    """The same with erased recordings rejected; call it before anything else in the transaction that writes them."""
    erased = tombstones.hold(tx, [one.recording.recording_id for one in results.registered])
    back = [one for one in results.registered if one.recording.recording_id in erased]
    if not back:
        return results
    attributes.forget(tx, [one.outcome.object_id for one in back])
    orphans.condemn(tx, {derived_key(one.recording.sha256) for one in back})
    return Results(
        [one for one in results.registered if one.recording.recording_id not in erased],
        [*results.rejected, *map(_refused, back)],
        results.deferred,
    )


def _refused(back: Registered) -> Rejected:
    told, why = back.outcome, BytesErased(f"These bytes were erased, as recording {back.recording.recording_id}.")
    return Rejected(back.delivered, Outcome(told.object_id, told.seen_etag, told.etag, None, why.code, why.sentence()))
