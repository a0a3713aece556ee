"""Finish erasures: delete originals from the bucket, and once no work is left on them, what the log of events tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Final
from uuid import UUID

from services.ingest.ports import Ingest
from services.ingest.registering import derived_key
from services.ingest.rendering import rendition_key
from shared.errors import TransientError
from shared.events import ErasureBegun
from shared.ledger import traces
from shared.ledger.consumer import Delivered, Work
from shared.ledger.stream import Position
from shared.storage import encoders, orphans, receipts
from shared.storage.database import Transaction
from shared.storage.objects import ObjectGone, ObjectRefused
from shared.storage.receipts import Original, Rest, together
from shared.telemetry import logger

log = logger("ingest")


SLICE_S: Final = 120.0
"""Of reading the log; what is left of it is read when the delivery comes back."""


class StillInWork(TransientError):
    """Work on what was erased is under way, and will find it gone; what the log tells of it is erased after that."""

    code = "still_in_work"


class StillReading(TransientError):
    """The log is long, and is read through in portions; this erasure goes on where it was."""

    code = "log_still_read"


@dataclass(frozen=True, slots=True)
class _Begun:
    """An erasure whose originals have left the bucket."""

    receipt_id: UUID
    rest: Rest
    n_undeletable: int


def erase(work: Work, ingest: Ingest) -> None:
    """Objects one erasure after the other, the log for all together. What a crash interrupts goes on where it was."""
    begun: dict[Delivered, _Begun] = {}
    waiting: dict[Delivered, TransientError] = {}
    for delivered in work.delivered:
        assert isinstance(delivered.event, ErasureBegun)
        receipt_id = delivered.event.receipt_id
        with work.database.begin() as tx:
            rest = receipts.rest(tx, receipt_id)
        if rest is None:  # finished, by whoever had this delivery before
            continue
        outcomes = list(ingest.fetching.map(lambda one: _delete(one, ingest), rest.originals))
        # Whoever listed the bucket just before writes down what it found within a second, and must find the rows.
        if "deleted" in outcomes:
            waiting[delivered] = StillInWork()
        else:
            begun[delivered] = _Begun(receipt_id, rest, outcomes.count("refused"))
    at_rest = _at_rest(work, begun)
    read = _read_log(work, at_rest)
    waiting |= {delivered: StillInWork() for delivered in begun.keys() - at_rest.keys()}
    waiting |= {delivered: StillReading() for delivered in at_rest.keys() - read}
    with work.commit() as commit:
        for delivered, why in waiting.items():
            commit.defer(delivered, why)
        for delivered in read:
            _finish(commit.tx, begun[delivered])


def _at_rest(work: Work, begun: Mapping[Delivered, _Begun]) -> dict[Delivered, _Begun]:
    """Those of which nothing is in work any more: asked of all together, as the backlog may be long, then of halves."""
    if not begun:
        return {}
    whole = together(one.rest for one in begun.values())
    with work.database.begin() as tx:
        if not traces.in_work(tx, whole):
            traces.mend_backlog(tx, whole)
            return dict(begun)
    if len(begun) == 1:
        return {}
    each = list(begun.items())
    half = len(each) // 2
    return _at_rest(work, dict(each[:half])) | _at_rest(work, dict(each[half:]))


def _read_log(work: Work, begun: Mapping[Delivered, _Begun]) -> set[Delivered]:
    """Go on reading the log for those that are furthest; returns those for which it is read to its end."""
    if not begun:
        return set()
    furthest = max(one.rest.read_to for one in begun.values())
    mine = {delivered: one for delivered, one in begun.items() if one.rest.read_to == furthest}
    whole, own = together(one.rest for one in mine.values()), [one.receipt_id for one in mine.values()]
    at: Position | None = Position(*furthest)
    began_s = monotonic()
    while at is not None:
        with work.database.begin() as tx:
            at = traces.erase_page(tx, whole, at)
            if at is not None:
                receipts.note_read(tx, own, at.xid, at.seq)
        if monotonic() - began_s > SLICE_S:
            break
    return set(mine) if at is None else set()


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


def _finish(tx: Transaction, one: _Begun) -> None:
    # Whoever was killed after it had put one of these, and before it said so, left it to nobody.
    rates_hz = {int(e.spec["sample_rate_hz"]) for e in encoders.encoders(tx).values() if "sample_rate_hz" in e.spec}
    orphans.condemn(tx, {derived_key(sha256) for sha256 in one.rest.sha256s})
    orphans.condemn(tx, {rendition_key(sha256, rate_hz) for sha256 in one.rest.sha256s for rate_hz in rates_hz})
    receipts.finish(tx, one.receipt_id, one.rest, one.n_undeletable)
