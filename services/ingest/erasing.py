"""Finish erasures: delete originals from the bucket, and once no work is left on them, what the log of events tells."""

from uuid import UUID

from services.ingest.ports import Ingest
from services.ingest.registering import derived_key
from services.ingest.rendering import rendition_key
from shared.errors import TransientError
from shared.events import ErasureBegun
from shared.ledger import traces
from shared.ledger.consumer import Work
from shared.storage import encoders, orphans, receipts
from shared.storage.database import Transaction
from shared.storage.objects import ObjectGone, ObjectRefused
from shared.storage.receipts import Original, Rest
from shared.telemetry import logger

log = logger("ingest")


class StillInWork(TransientError):
    """Work on what was erased is under way, and will find it gone; what the log tells of it is erased after that."""

    code = "still_in_work"


def erase(work: Work, ingest: Ingest) -> None:
    """One erasure after the other. What a crash interrupts is done again, to the same end."""
    for delivered in work.delivered:
        assert isinstance(delivered.event, ErasureBegun)
        receipt_id = delivered.event.receipt_id
        with work.database.begin() as tx:
            rest = receipts.rest(tx, receipt_id)
        outcomes = [_delete(one, ingest) for one in rest.originals] if rest else []
        with work.commit([delivered]) as commit:
            if rest is None:  # finished, by whoever had this delivery before
                continue
            # Whoever listed the bucket just before writes down what it found within a second, and must find the rows.
            if "deleted" in outcomes or traces.in_work(commit.tx, rest):
                commit.defer(delivered, StillInWork())
                continue
            _finish(commit.tx, receipt_id, rest, outcomes.count("refused"))


def _delete(original: Original, ingest: Ingest) -> str:
    """What became of it: `gone` already (or overwritten: other bytes are another recording), `deleted`, `refused`.

    S3 has no delete that depends on anything: whoever overwrites the key in the moment between the two requests loses
    what they put.
    """
    try:
        if ingest.objects.stat(original.bucket, original.key).etag != original.etag:
            return "gone"
        ingest.objects.delete(original.bucket, original.key)
    except ObjectGone:
        return "gone"
    except ObjectRefused as error:
        log.warning("original_not_deleted", object_id=str(original.object_id), code=error.code)
        return "refused"
    return "deleted"


def _finish(tx: Transaction, receipt_id: UUID, rest: Rest, n_undeletable: int) -> None:
    # Whoever was killed after it had put one of these, and before it said so, left it to nobody.
    rates_hz = {int(e.spec["sample_rate_hz"]) for e in encoders.encoders(tx).values() if "sample_rate_hz" in e.spec}
    orphans.condemn(tx, {derived_key(sha256) for sha256 in rest.sha256s})
    orphans.condemn(tx, {rendition_key(sha256, rate_hz) for sha256 in rest.sha256s for rate_hz in rates_hz})
    traces.erase(tx, rest)
    receipts.finish(tx, receipt_id, rest, n_undeletable)
