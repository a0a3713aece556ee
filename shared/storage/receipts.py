"""Receipts of erasures: how much was erased, what was kept and why; and what of an erasure is still to be done."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import TypeAdapter

from shared.errors import NotFound
from shared.storage.database import Transaction
from shared.storage.tables import erasure


class UnknownReceipt(NotFound):
    """A receipt's id is in the answer of the erasure that it is of; `earmark receipts` shows them all."""

    code = "unknown_receipt"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was erased and what was kept, counted; and the keys of audio that still holds the voice.

    Until `finished_at` is there, objects in the bucket and events of the log are still being erased.
    """

    receipt_id: UUID
    actor: str
    erased: dict[str, int]
    audio_kept: list[str]
    kept: dict[str, int]
    collections: list[str]
    erased_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Original:
    """An object that held an erased recording's bytes, whose ETag was this; "" if it was gone already."""

    object_id: UUID
    bucket: str
    key: str
    etag: str


@dataclass(frozen=True, slots=True)
class Rest:
    """What of an erasure the tables do not hold any more, but the log and the buckets may."""

    recordings: list[UUID] = field(default_factory=list)
    segments: list[UUID] = field(default_factory=list)
    speakers: list[UUID] = field(default_factory=list)
    originals: list[Original] = field(default_factory=list)
    # Under the same keys, with other ETags: only the log tells of these, and nothing is deleted for them.
    earlier: list[Original] = field(default_factory=list)
    sha256s: list[str] = field(default_factory=list)  # of the originals
    read_to: tuple[int, int] = (0, 0)  # xid and seq: how far the log has been read through for it

    def words(self) -> set[str]:
        """All ids by which events tell of it."""
        objects = (one.object_id for one in self.originals)
        return {str(own) for own in (*self.recordings, *self.segments, *self.speakers, *objects)}


_REST = TypeAdapter(Rest)


def together(rests: Iterable[Rest]) -> Rest:
    """What several erasures leave to be found in the log, as if they were one; each has its own place there."""
    whole = Rest()
    for one in rests:
        whole.recordings.extend(one.recordings)
        whole.segments.extend(one.segments)
        whole.speakers.extend(one.speakers)
        whole.originals.extend([*one.originals, *one.earlier])
        whole.sha256s.extend(one.sha256s)
    return whole


def write(
    tx: Transaction,
    receipt_id: UUID,
    actor: str,
    erased: Mapping[str, int],
    audio_kept: Sequence[str],
    kept: Mapping[str, int],
    collections: Sequence[str],
    rest: Rest,
) -> Receipt:
    """Write the receipt of what this transaction erases."""
    values = {
        "receipt_id": receipt_id,
        "actor": actor,
        "erased": dict(erased),
        "audio_kept": list(audio_kept),
        "kept": dict(kept),
        "collections": list(collections),
        "left_over": _REST.dump_python(rest, mode="json"),
    }
    tx.execute(sa.insert(erasure).values(values))
    return get(tx, receipt_id)


_COLUMNS = [c for c in erasure.c if c.name != "left_over"]


def get(tx: Transaction, receipt_id: UUID) -> Receipt:
    """Raises UnknownReceipt."""
    row = tx.execute(sa.select(*_COLUMNS).where(erasure.c.receipt_id == receipt_id)).one_or_none()
    if row is None:
        raise UnknownReceipt(f"No receipt {receipt_id}.")
    return _receipt(row)


def listing(tx: Transaction, most: int = 1000) -> list[Receipt]:
    """The newest first."""
    newest = sa.select(*_COLUMNS).order_by(erasure.c.erased_at.desc()).limit(most)
    return [_receipt(row) for row in tx.execute(newest)]


def _receipt(row: Any) -> Receipt:
    return Receipt(**row._mapping)  # noqa: SLF001  # the documented way to a row's names


_N_OF = sa.text("SELECT count(*) FROM erasure WHERE :collection = ANY(collections)")


def n_of(tx: Transaction, collection: str) -> int:
    """How many erasures have taken something from a collection; it only ever rises."""
    return int(tx.execute(_N_OF, {"collection": collection}).scalar_one())


def rest(tx: Transaction, receipt_id: UUID) -> Rest | None:
    """What is still to be done of an erasure; None if it is finished, or was never begun."""
    mine = sa.select(erasure.c.left_over).where(erasure.c.receipt_id == receipt_id)
    found = tx.execute(mine).scalar_one_or_none()
    return None if found is None else _REST.validate_python(found)


_READ_TO = sa.text("""
    UPDATE erasure SET left_over =
        jsonb_set(left_over, '{read_to}', jsonb_build_array(CAST(:xid AS bigint), CAST(:seq AS bigint)))
    WHERE receipt_id = ANY(:receipts) AND left_over IS NOT NULL
""")


def note_read(tx: Transaction, receipt_ids: Sequence[UUID], xid: int, seq: int) -> None:
    """How far the log has been read through for these."""
    tx.execute(_READ_TO, {"receipts": list(receipt_ids), "xid": xid, "seq": seq})


_FORGET_OBJECTS = sa.text("""
    WITH gone AS (
        DELETE FROM stored_object WHERE object_id = ANY(:ids)
          AND (code IN ('erased', 'object_gone') OR state = 'seen' AND etag = ANY(:etags))
        RETURNING collection, key
    )
    DELETE FROM object_attributes a USING gone g WHERE a.collection = g.collection AND a.key = g.key
""")
_FORGET_KEYS = sa.text("UPDATE erasure SET audio_kept = audio_kept - CAST(:keys AS text[]) WHERE audio_kept ?| :keys")
_FINISH = sa.text("""
    UPDATE erasure SET left_over = NULL, finished_at = clock_timestamp(),
           kept = kept || CASE WHEN :n > 0
                          THEN jsonb_build_object('objects that the store would not delete', CAST(:n AS int))
                          ELSE '{}' END
    WHERE receipt_id = :receipt_id
""")


def finish(tx: Transaction, receipt_id: UUID, done: Rest, n_undeletable: int) -> None:
    """Forget the keys that an erasure emptied, and what there was to be done.

    A key that holds other bytes by now stays, as does what its owner says of it.
    """
    versions = [*done.originals, *done.earlier]
    # Also those that were put again meanwhile, and that nobody has read yet: the sweep finds what is still there.
    known = {"ids": [one.object_id for one in done.originals], "etags": [one.etag for one in versions]}
    tx.execute(_FORGET_OBJECTS, known)
    tx.execute(_FORGET_KEYS, {"keys": [one.key for one in done.originals]})
    tx.execute(_FINISH, {"receipt_id": receipt_id, "n": n_undeletable})
