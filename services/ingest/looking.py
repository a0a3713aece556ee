"""Look objects up in the bucket and write down what is new: a few named keys after a hint, or everything in a sweep.

A hint may be lost, doubled or forged: it only says where to look. The sweep is the guarantee; it also sees keys that
were overwritten or arrived late, because it compares every listed (etag, size, time) with what is known.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import islice

from shared import ids
from shared.events import ObjectSeen, RecordingRejected
from shared.ledger.outbox import Announcement, announce, publish
from shared.settings import Settings
from shared.storage import collections, recordings
from shared.storage.collections import BadCollectionName
from shared.storage.database import Database, Transaction
from shared.storage.objects import ObjectGone, ObjectRefused, ObjectStore, StoredObject
from shared.storage.recordings import Outcome, SeenObject
from shared.telemetry import logger

log = logger("watch")

PAGE = 1000
OUTSIDE = "outside_collection"
_OUTSIDE_REASON = (
    "The key does not lie under a collection; store files as `<collection>/<path>`, the collection's name of letters, "
    "digits, `.`, `_` and `-`."
)


@dataclass(frozen=True, slots=True)
class Looker:
    """Compares a bucket with what is known of it."""

    database: Database
    objects: ObjectStore
    looking: Executor
    settings: Settings

    def look(self, keys: Iterable[str]) -> int:
        """Look these keys up; returns how many were new or had new bytes."""
        found = self.looking.map(self._stat, sorted(set(keys)))
        return self._write([one for one in found if one is not None])

    def sweep(self, prefix: str = "", between: Callable[[], None] = lambda: None) -> int:
        """Compare the whole bucket, or what lies under a prefix; returns how many were new or had new bytes.

        `between` is called after each page: what lies in the bucket may be millions.
        """
        n_new = 0
        for page in _pages(self.objects.listing(self.settings.s3.audio_bucket, prefix)):
            n_new += self._write(page)
            between()
        return n_new

    def _stat(self, key: str) -> StoredObject | None:
        try:
            return self.objects.stat(self.settings.s3.audio_bucket, key)
        except (ObjectGone, ObjectRefused):
            return None  # deleted again, or never there: a hint proves nothing

    def _write(self, listed: list[StoredObject]) -> int:
        entries = [one for one in listed if not _is_folder_marker(one)]
        if not entries:
            return 0
        with self.database.begin() as tx:
            known = recordings.known_keys(tx, self.settings.s3.audio_bucket, entries)
        changed = [one for one in entries if one.key not in known]
        if not changed:
            return 0
        with self.database.begin() as tx:
            return self._see(tx, changed)

    def _see(self, tx: Transaction, changed: list[StoredObject]) -> int:
        seen = {ids.object_id(one.bucket, one.key): one for one in changed}
        placed = {own_id: _collection_of(one.key) for own_id, one in seen.items()}
        for name in sorted({name for name in placed.values() if name}):
            defaults = self.settings.ingest.default_segmenter, self.settings.embedder.default_encoders
            collections.ensure(tx, name, *defaults)
        rows = [
            SeenObject(own_id, placed[own_id], one.bucket, one.key, one.etag, one.size_bytes, one.modified_at)
            for own_id, one in seen.items()
        ]
        written = recordings.see(tx, rows)
        announced = [_announcement(row) for row in rows if row.object_id in written]
        publish(tx, announced)
        log.info("announced", correlation_ids=[str(one.correlation_id) for one in announced])
        recordings.settle(
            tx,
            [
                Outcome(row.object_id, row.etag, row.etag, None, OUTSIDE, _OUTSIDE_REASON)
                for row in rows
                if row.object_id in written and row.collection is None
            ],
        )
        return len(written)


def _announcement(row: SeenObject) -> Announcement:
    if row.collection is None:
        return announce(
            RecordingRejected(object_id=row.object_id, collection="", key=row.key, code=OUTSIDE, reason=_OUTSIDE_REASON)
        )
    return announce(
        ObjectSeen(
            object_id=row.object_id,
            collection=row.collection,
            bucket=row.bucket,
            key=row.key,
            etag=row.etag,
            size_bytes=row.size_bytes,
        )
    )


def _collection_of(key: str) -> str | None:
    name, slash, rest = key.partition("/")
    try:
        return collections.check_name(name) if slash and rest else None
    except BadCollectionName:
        return None


def _is_folder_marker(one: StoredObject) -> bool:
    return one.key.endswith("/") and one.size_bytes == 0


def _pages(listing: Iterator[StoredObject]) -> Iterator[list[StoredObject]]:
    while page := list(islice(listing, PAGE)):
        yield page
