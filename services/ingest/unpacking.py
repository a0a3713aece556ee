"""The use cases of archives: write down that an object is one, and unpack it slice by slice."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.ingest.archives import slices
from services.ingest.archives.kinds import Kind
from services.ingest.archives.slices import Slice
from services.ingest.archives.sources import ObjectChanged
from services.ingest.ports import Ingest
from shared import ids
from shared.errors import EarmarkError, PermanentError, TransientError
from shared.events import ArchiveFound, ArchiveUnpacked, ObjectSeen, RecordingRejected
from shared.ledger.consumer import Commit, Delivered, Work
from shared.storage import archives, recordings
from shared.storage.archives import NewArchive, OpenArchive, UnpackingAbandoned
from shared.storage.database import Transaction
from shared.storage.objects import StoredObject
from shared.storage.recordings import Outcome


@dataclass(frozen=True, slots=True)
class Archived:
    """An object that is an archive."""

    delivered: Delivered
    archive: NewArchive
    outcome: Outcome

    @classmethod
    def of(cls, delivered: Delivered, event: ObjectSeen, kind: Kind, stored: StoredObject) -> "Archived":
        """The archive that the event's object is, as it is stored now; its id is that of the event that follows."""
        archive = NewArchive(
            archive_id=ids.event_id(delivered.claim.event_id, ArchiveFound.type, event.key),
            object_id=event.object_id,
            collection=event.collection,
            bucket=event.bucket,
            key=event.key,
            etag=stored.etag,
            kind=kind,
            size_bytes=stored.size_bytes,
        )
        return cls(delivered, archive, Outcome(event.object_id, event.etag, stored.etag))


def found(commit: Commit, archived: Sequence[Archived]) -> None:
    """Have them unpacked."""
    for one in archived:
        archives.find(commit.tx, one.archive)
        commit.publish(_found(one.archive, 0), cause=one.delivered, event_id=one.archive.archive_id)


def unpack(work: Work, ingest: Ingest) -> None:
    """Go on with each archive for its share of the time, and come back for the rest of it."""
    delivered = work.delivered
    for one in delivered:
        assert isinstance(one.event, ArchiveFound)
        is_last = one.claim.attempt >= ingest.settings.ledger.attempts_before_dead
        with work.database.begin() as tx:
            opened = _open(tx, one.event.archive_id, is_last=is_last)
        if opened is None:  # another one was put under its key meanwhile
            with work.commit([one]):
                continue
        ended: Slice | EarmarkError
        try:
            ended = slices.unpack(
                opened, ingest.settings.ingest.archive_slice_s / len(delivered), work.database, ingest
            )
        except (PermanentError, ObjectChanged) as error:
            ended = error
        except TransientError:
            if is_last:  # and yet tried again
                with work.database.begin() as tx:
                    _take_back(tx, opened.archive)
            raise
        with work.commit([one]) as commit:
            _take_back(commit.tx, opened.archive)
            _conclude(commit, one, opened.archive, ended)


def _open(tx: Transaction, archive_id: UUID, *, is_last: bool) -> OpenArchive | None:
    """Before its last attempt it is given up: should this process die of it too, nobody is left to tell who waits."""
    opened = archives.opened(tx, archive_id)
    if opened is None:
        return None
    archive = opened.archive
    if not is_last:
        _take_back(tx, archive)
    elif archives.abandon(tx, archive_id):
        why = UnpackingAbandoned()
        recordings.settle(tx, [Outcome(archive.object_id, archive.etag, archive.etag, None, why.code, why.sentence())])
    return opened


def _take_back(tx: Transaction, archive: NewArchive) -> None:
    if archives.take_back(tx, archive.archive_id):
        recordings.settle(tx, [Outcome(archive.object_id, archive.etag, archive.etag)])


def _conclude(commit: Commit, delivered: Delivered, archive: NewArchive, ended: Slice | EarmarkError) -> None:
    match ended:
        case ObjectChanged():  # what lies there now has an event of its own, or will have
            archives.finish(commit.tx, archive.archive_id, "replaced")
        case EarmarkError():
            _refuse(commit, delivered, archive, ended, etag="")  # whatever lies there next is new
        case Slice(more=True):
            event = _found(archive, ended.unpacked.n_members)
            own_id = ids.event_id(delivered.claim.event_id, event.type, event.key)
            commit.publish(event, cause=delivered, event_id=own_id)
        case Slice(refusal=None):
            _finish(commit, delivered, archive)
        case Slice(refusal=refusal):
            assert refusal is not None
            _refuse(commit, delivered, archive, refusal, etag=archive.etag)


def _finish(commit: Commit, delivered: Delivered, archive: NewArchive) -> None:
    counts = archives.finish(commit.tx, archive.archive_id, "unpacked")
    if counts is None:
        return
    event = ArchiveUnpacked(
        archive_id=archive.archive_id,
        object_id=archive.object_id,
        collection=archive.collection,
        key=archive.key,
        n_members=counts.n_members,
        n_taken=counts.n_taken,
        n_skipped=counts.n_skipped,
        n_refused=counts.n_refused,
    )
    commit.publish(event, cause=delivered)


def _refuse(commit: Commit, delivered: Delivered, archive: NewArchive, why: EarmarkError, etag: str) -> None:
    """What was taken before stays; an object that was overwritten meanwhile is left to its newer event."""
    archives.finish(commit.tx, archive.archive_id, "refused", why.code, why.sentence())
    outcome = Outcome(archive.object_id, archive.etag, etag, None, why.code, why.sentence())
    if recordings.settle(commit.tx, [outcome]):
        event = RecordingRejected(
            object_id=archive.object_id,
            collection=archive.collection,
            key=archive.key,
            code=why.code,
            reason=why.sentence(),
        )
        commit.publish(event, cause=delivered)


def _found(archive: NewArchive, n_members: int) -> ArchiveFound:
    return ArchiveFound(
        archive_id=archive.archive_id,
        object_id=archive.object_id,
        collection=archive.collection,
        key=archive.key,
        n_members=n_members,
    )
