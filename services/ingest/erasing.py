"""Finish erasures: delete originals from the bucket, and once no work is left on them, what the log of events tells."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from time import monotonic, sleep
from typing import Any, Final
from uuid import UUID

from services.ingest.decoded import derived_key, rendition_key
from services.ingest.ports import Ingest
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
"""Of reading the log, after which the erasure is announced again, to go on where it was."""

PATIENCE_S: Final = 2.0
LOOK_S: Final = 0.05
"""At the log's end for transactions of before, of which most are over in no time, and between two looks."""


class StillInWork(TransientError):
    """Work on what was erased is under way, and will find it gone; what the log tells of it is erased after that."""

    code = "still_in_work"


@dataclass(frozen=True, slots=True)
class _Begun:
    """An erasure whose originals have left the bucket."""

    receipt_id: UUID
    rest: Rest
    n_undeletable: int


class _Log(Enum):
    """How far the log of events has been read."""

    TO_ITS_END = auto()
    IN_PART = auto()
    TO_WHAT_RUNS = auto()  # a transaction of before may still write into it


def erase(work: Work, ingest: Ingest) -> None:
    """Objects one erasure after the other, the log for all together. What a crash interrupts goes on where it was."""
    begun, early = _without_originals(work, ingest)
    at_rest, horizon = _at_rest(work, begun)
    read = _read_log(work, at_rest, horizon)
    with work.commit() as commit:
        for delivered in [*early, *(begun.keys() - at_rest.keys())]:
            commit.defer(delivered, StillInWork())
        for delivered, one in at_rest.items():
            match read:
                case _Log.TO_ITS_END:
                    _finish(commit.tx, one)
                case _Log.IN_PART:
                    commit.publish(ErasureBegun(receipt_id=one.receipt_id), cause=delivered)
                case _Log.TO_WHAT_RUNS:
                    commit.defer(delivered, StillInWork())


def _without_originals(work: Work, ingest: Ingest) -> tuple[dict[Delivered, _Begun], list[Delivered]]:
    """Those whose originals are gone, and those that have to wait as one was deleted just now."""
    begun: dict[Delivered, _Begun] = {}
    early: list[Delivered] = []
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
            early.append(delivered)
        else:
            begun[delivered] = _Begun(receipt_id, rest, outcomes.count("refused"))
    return begun, early


def _at_rest(work: Work, begun: Mapping[Delivered, _Begun]) -> tuple[dict[Delivered, _Begun], int]:
    """Those of which nothing is in work any more, and the id below which transactions may still write of them."""
    left = dict(begun)
    while left:
        whole = together(one.rest for one in left.values())
        with work.database.begin() as tx:
            told = traces.in_work(tx, whole)
            if not told:
                return left, traces.mend_backlog(tx, whole)
        words = {word for data in told for word in _words(data)}
        left = {delivered: one for delivered, one in left.items() if words.isdisjoint(one.rest.words())}
    return {}, 0


def _words(data: Mapping[str, Any]) -> Iterator[str]:
    for value in data.values():
        yield from value if isinstance(value, list) else [str(value)]


def _read_log(work: Work, begun: Mapping[Delivered, _Begun], horizon: int) -> _Log:
    """Go on reading the log, from where the one is that has read least of it."""
    if not begun:
        return _Log.TO_ITS_END
    whole = together(one.rest for one in begun.values())
    at = Position(*min(one.rest.read_to for one in begun.values()))
    began_s = monotonic()
    while True:
        with work.database.begin() as tx:
            at, is_last = traces.erase_page(tx, whole, at)
            behind = [one.receipt_id for one in begun.values() if one.rest.read_to < (at.xid, at.seq)]
            receipts.note_read(tx, behind, at.xid, at.seq)
        took_s = monotonic() - began_s
        if is_last and at.xid >= horizon - 1:
            return _Log.TO_ITS_END
        if not is_last and took_s > SLICE_S:
            return _Log.IN_PART
        if is_last and took_s > PATIENCE_S:
            return _Log.TO_WHAT_RUNS
        if is_last:
            sleep(LOOK_S)


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
