"""Erase recordings for good, let them in again, and carry what was erased over into a restored database."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from services.console.api.shapes import Asked, CollectionName, Page, Paging, Shown, Time, time_and_id
from services.console.auth import Admin, Requires
from services.console.calls import call_of
from services.console.deps import ConsoleDep
from shared.ledger.outbox import announce, publish
from shared.storage import collections, erasure, receipts, tombstones
from shared.storage.database import Transaction
from shared.storage.erasure import Erased
from shared.storage.tombstones import Tombstone

router = APIRouter(tags=["erasure"])
_BEGINNING = (datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))


class ReceiptShown(Shown):
    """What an erasure removed, counted, and what was `kept`.

    Audio under the kept keys still holds the voice: it is yours to delete. Until `finished_at` is there, objects of the
    bucket and what the log told are still being deleted.
    """

    receipt_id: UUID
    actor: str
    erased: dict[str, int]
    audio_kept: list[str]
    kept: dict[str, int]
    collections: list[str]
    erased_at: datetime
    finished_at: datetime | None


class Receipts(Shown):
    """Newest first, a thousand at most."""

    items: list[ReceiptShown]


class DoomedRecordings(Asked):
    """Which recordings of the collection to erase, all of them or none."""

    recording_ids: Annotated[list[UUID], Field(min_length=1, max_length=100)]


class TombstoneShown(Shown):
    """What was erased and is kept out; a speaker belongs to no collection."""

    subject_id: UUID
    kind: Literal["recording", "speaker"]
    collection: str | None
    receipt_id: UUID
    erased_at: datetime


class KnownTombstone(Asked):
    """As it was listed."""

    subject_id: UUID
    kind: Literal["recording", "speaker"]
    collection: Annotated[str | None, Field(max_length=200)] = None
    receipt_id: UUID
    erased_at: Time


class KnownTombstones(Asked):
    """Of another database, such as the one that a backup was made of."""

    items: Annotated[list[KnownTombstone], Field(max_length=1000)]


class Replayed(Shown):
    """How many tombstones are new here; and the receipt of what stood all the same, if anything did."""

    new: int
    receipt: ReceiptShown | None


class Unerased(Shown):
    """Who may be registered again."""

    recording_id: UUID
    collection: str


def announced(tx: Transaction, erased: Erased, request: Request) -> ReceiptShown:
    """Publish what follows from an erasure in its transaction; the audit log names its receipt."""
    publish(tx, [announce(event) for event in erased.events])
    receipt = ReceiptShown.model_validate(erased.receipt)
    call_of(request).ids["receipt_id"] = [str(receipt.receipt_id)]
    return receipt


@router.post("/v1/collections/{collection}/recordings/erase")
def erase(
    request: Request, console: ConsoleDep, caller: Admin, collection: CollectionName, doomed: DoomedRecordings
) -> ReceiptShown:
    """Erase recordings with all that was made of them, their files in the bucket too, and refuse their bytes for ever.

    When this is answered, nothing of them is found by anybody, and work that was under way with them writes nothing.
    Their objects are deleted within seconds after it: see the receipt's `finished_at`.
    """
    with console.database.begin() as tx:
        collections.get(tx, collection)
        erased = erasure.erase_recordings(tx, collection, doomed.recording_ids, caller.name)
        receipt = announced(tx, erased, request)
    console.shelf.forget(erased.recordings)
    return receipt


@router.delete("/v1/collections/{collection}/tombstones/{recording_id}", dependencies=[Depends(Requires("admin"))])
def unerase(console: ConsoleDep, collection: CollectionName, recording_id: UUID) -> Unerased:
    """Let an erased recording's bytes in again when they are next put, or at the next sweep if they lie there."""
    with console.database.begin() as tx:
        tombstones.lift(tx, collection, recording_id)
    return Unerased(recording_id=recording_id, collection=collection)


@router.get("/v1/receipts", dependencies=[Depends(Requires("read"))])
def listing(console: ConsoleDep) -> Receipts:
    """The receipts of all erasures."""
    with console.database.begin() as tx:
        return Receipts(items=[ReceiptShown.model_validate(one) for one in receipts.listing(tx)])


@router.get("/v1/receipts/{receipt_id}", dependencies=[Depends(Requires("read"))])
def receipt(console: ConsoleDep, receipt_id: UUID) -> ReceiptShown:
    """The receipt of an erasure."""
    with console.database.begin() as tx:
        return ReceiptShown.model_validate(receipts.get(tx, receipt_id))


@router.get("/v1/tombstones", dependencies=[Depends(Requires("admin"))])
def stones(console: ConsoleDep, paging: Annotated[Paging, Depends()]) -> Page[TombstoneShown]:
    """What was erased, the oldest first: keep it apart from backups, and replay it into one that was restored."""
    start = paging.start("tombstones")
    with console.database.begin() as tx:
        rows = tombstones.listing(tx, time_and_id(start) if start else _BEGINNING, paging.most)
    return paging.page(
        "tombstones",
        rows,
        TombstoneShown.model_validate,
        lambda row: (row.erased_at.isoformat(), str(row.subject_id)),
    )


@router.post("/v1/tombstones/replay")
def replay(request: Request, console: ConsoleDep, caller: Admin, known: KnownTombstones) -> Replayed:
    """Erase what came back with a restored backup, and keep it out as before."""
    stones = [Tombstone(**one.model_dump()) for one in known.items]
    with console.database.begin() as tx:
        new = tombstones.restore(tx, stones)
    with console.database.begin() as tx:
        erased = erasure.erase_what_came_back(tx, [stone.subject_id for stone in stones], caller.name)
        receipt = announced(tx, erased, request) if erased else None
    if erased:
        console.shelf.forget(erased.recordings)
    return Replayed(new=new, receipt=receipt)
