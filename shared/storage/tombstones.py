"""By which erased recordings and speakers are known again: theirs are ids, and no more can be learned from them.

Whoever registers recordings calls `hold` first in its transaction. Whoever erases lays tombstones before it deletes
anything. Each waits for the other, so a recording that is being erased cannot come back by a commit that began earlier.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import sqlalchemy as sa

from shared.errors import Conflict, NotFound, PermanentError
from shared.storage.database import Transaction
from shared.storage.tables import tombstone

Kind = Literal["recording", "speaker"]


class BytesErased(PermanentError):
    """These bytes were erased from the collection; `earmark recordings unerase` lets them in again."""

    code = "erased"


class NotErased(NotFound):
    """`earmark tombstones list` shows what was erased and is kept out."""

    code = "not_erased"


class StillErasing(Conflict):
    """Try again when its receipt has a `finished_at`: `earmark receipts RECEIPT_ID`."""

    code = "still_erasing"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What was erased; `collection` is None for a speaker."""

    subject_id: UUID
    kind: Kind
    collection: str | None
    receipt_id: UUID
    erased_at: datetime


# In one order everywhere; the locks end with the transaction. Postgres has room for some thousand locks of all
# transactions together, and an erasure may be of more recordings than that: many ids share a lock.
_LOCK = "SELECT {lock}(hashtextextended('tombstone:' || s.n, 0)) FROM unnest(CAST(:slots AS int[])) AS s(n)"
_N_SLOTS = 1024
_HOLD = sa.text(_LOCK.format(lock="pg_advisory_xact_lock_shared"))
_CLAIM = sa.text(_LOCK.format(lock="pg_advisory_xact_lock"))
_OF = sa.text("SELECT subject_id FROM tombstone WHERE subject_id = ANY(:ids)")


def hold(tx: Transaction, subject_ids: Sequence[UUID]) -> set[UUID]:
    """Those of them that are erased; none of the others is erased before this transaction ends."""
    tx.execute(_HOLD, {"slots": _slots(subject_ids)})
    return standing(tx, subject_ids)


def standing(tx: Transaction, subject_ids: Sequence[UUID]) -> set[UUID]:
    """Those of them that are erased right now."""
    return set(tx.execute(_OF, {"ids": list(subject_ids)}).scalars())


def claim(tx: Transaction, subject_ids: Sequence[UUID]) -> None:
    """Wait for those who hold them, and let nobody else until this transaction ends."""
    tx.execute(_CLAIM, {"slots": _slots(subject_ids)})


def _slots(subject_ids: Sequence[UUID]) -> list[int]:
    return sorted({subject_id.int % _N_SLOTS for subject_id in subject_ids})


def refused(recording_id: UUID) -> BytesErased:
    """Why an object is refused whose bytes were erased, as that recording."""
    return BytesErased(f"These bytes were erased, as recording {recording_id}.")


_LAY = sa.text("""
    INSERT INTO tombstone (subject_id, kind, collection, receipt_id)
    SELECT n.id, :kind, n.collection, :receipt_id
    FROM unnest(CAST(:ids AS uuid[]), CAST(:collections AS text[])) AS n(id, collection)
    ON CONFLICT (subject_id) DO UPDATE SET receipt_id = excluded.receipt_id, erased_at = excluded.erased_at
""")


def lay(tx: Transaction, kind: Kind, collection_of: dict[UUID, str | None], receipt_id: UUID) -> None:
    """Keep these out from now on. Call it after `claim`."""
    values = {"ids": list(collection_of), "collections": list(collection_of.values())}
    tx.execute(_LAY, {**values, "kind": kind, "receipt_id": receipt_id})


_RESTORE = sa.text("""
    INSERT INTO tombstone (subject_id, kind, collection, receipt_id, erased_at)
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[]), CAST(:collections AS text[]),
                         CAST(:receipt_ids AS uuid[]), CAST(:erased_at AS timestamptz[]))
    ON CONFLICT (subject_id) DO NOTHING
""")


def restore(tx: Transaction, stones: Sequence[Tombstone]) -> int:
    """Lay tombstones that another database knew, as after a restore of its backup; returns how many are new."""
    unique = {stone.subject_id: stone for stone in stones}
    rows = [unique[subject_id] for subject_id in sorted(unique)]
    claim(tx, list(unique))
    values = {
        "ids": [stone.subject_id for stone in rows],
        "kinds": [stone.kind for stone in rows],
        "collections": [stone.collection for stone in rows],
        "receipt_ids": [stone.receipt_id for stone in rows],
        "erased_at": [stone.erased_at for stone in rows],
    }
    return tx.execute(_RESTORE, values).rowcount


_LISTING = sa.text("""
    SELECT subject_id, kind, collection, receipt_id, erased_at FROM tombstone
    WHERE (erased_at, subject_id) > (:at, :id) ORDER BY erased_at, subject_id LIMIT :most
""")


def listing(tx: Transaction, after: tuple[datetime, UUID], most: int) -> list[Tombstone]:
    """The oldest first."""
    return [Tombstone(**row) for row in tx.execute(_LISTING, {"at": after[0], "id": after[1], "most": most}).mappings()]


# The sweep of the bucket takes them for new. They are known by their reason (`refused`): no other refers to it.
_LOOK_AGAIN = sa.text("""
    UPDATE stored_object SET etag = ''
    WHERE collection = :collection AND code = 'erased' AND strpos(reason, CAST(:recording_id AS text)) > 0
""")
_UNFINISHED = sa.text("""
    SELECT receipt_id FROM erasure WHERE left_over->'recordings' ? CAST(:recording_id AS text) LIMIT 1
""")


def lift(tx: Transaction, collection: str, recording_id: UUID) -> None:
    """Let the bytes of a recording in again, also those that lie in the bucket, refused.

    Raises NotErased; StillErasing, as what is left to be done would take what comes in now for what it shall delete.
    """
    claim(tx, [recording_id])
    mine = (tombstone.c.subject_id == recording_id, tombstone.c.collection == collection)
    if not tx.execute(sa.delete(tombstone).where(*mine)).rowcount:
        raise NotErased(f"No recording {recording_id} was erased from {collection!r}.")
    if receipt_id := tx.execute(_UNFINISHED, {"recording_id": recording_id}).scalar_one_or_none():
        raise StillErasing(f"Recording {recording_id} is still being erased, by receipt {receipt_id}.")
    tx.execute(_LOOK_AGAIN, {"collection": collection, "recording_id": recording_id})
