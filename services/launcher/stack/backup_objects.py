"""Carry objects between the store and a backup's folder; what the folder has already is not carried again."""

import math
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from tempfile import mkstemp
from time import sleep
from typing import TextIO, TypeVar

from services.launcher.stack.backup_folder import BackupFolder, Entry, line_of
from shared.errors import TransientError
from shared.storage.objects import PART_BYTES, ObjectGone, ObjectStore, StoredObject
from shared.units import MIB

T = TypeVar("T")
Place = tuple[str, str]
"""(bucket, key)."""

Count = Callable[[int], None]
"""Told how many objects are through."""

JOURNAL = "objects.partial.jsonl"
_THREADS = 8
_PAGE = 1000
_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_PARTS_BYTES = (5 * MIB, 8 * MIB, PART_BYTES, 64 * MIB)  # of clients that people use


class Copier:
    """Copies buckets into one folder, as often as it is asked to: each time only what is new or has changed."""

    def __init__(self, folder: BackupFolder, store: ObjectStore, journal: TextIO, since: BackupFolder | None) -> None:
        self._folder, self._store, self._journal = folder, store, journal
        self._lock = threading.Lock()
        self.have = {(one.bucket, one.key): one for one in folder.entries(JOURNAL) if folder.holds(one)}
        self._since = since
        self._before = {(entry.bucket, entry.key): entry for entry in since.entries()} if since else {}

    def lacking_bytes(self, buckets: Sequence[str]) -> int:
        """How much there is to be copied."""
        listed = (one for bucket in buckets for one in listing(self._store, bucket))
        return sum(one.size_bytes for one in listed if not self._has((one.bucket, one.key), one))

    def _has(self, place: Place, one: StoredObject) -> bool:
        return _same(self.have.get(place), one) or _same(self._before.get(place), one)

    def copy(self, buckets: Sequence[str], count: Count) -> set[Place]:
        """Copy what lies in the buckets; returns the places of what is there now."""
        standing: set[Place] = set()
        n = 0
        with ThreadPoolExecutor(_THREADS) as pool:
            for bucket in buckets:
                for page in _pages(listing(self._store, bucket)):
                    standing.update(place for place in pool.map(self._copy, page) if place)
                    count(n := n + len(page))
        return standing

    def _copy(self, one: StoredObject) -> Place | None:
        place = one.bucket, one.key
        if _same(self.have.get(place), one):
            return place
        before = self._before.get(place)
        entry = before if before and _same(before, one) and self._take_over(before) else self._fetch(one)
        if entry is None:
            return None
        with self._lock:
            self.have[place] = entry
            self._journal.write(line_of(entry))
        return place

    def _take_over(self, entry: Entry) -> bool:
        """Share the bytes with the older backup; where the file system cannot, copy them. False: it has lost them."""
        assert self._since is not None
        if not self._since.holds(entry):
            return False
        source, target = self._since.blob(entry.sha256), self._folder.blob(entry.sha256)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            target.hardlink_to(source)
        except FileExistsError:  # of an earlier try
            return self._folder.holds(entry)
        except OSError:
            half = self._folder.path / "objects" / f"{entry.sha256}.{threading.get_ident()}"
            shutil.copyfile(source, half)
            half.chmod(0o600)
            _put_in_place(half, target)
        return True

    def _fetch(self, one: StoredObject) -> Entry | None:
        """Download to a file of its own, then rename; None: it was deleted meanwhile."""
        handle, name = mkstemp(dir=self._folder.path / "objects")  # of mode 0600
        os.close(handle)
        half = Path(name)
        try:
            found = patiently(lambda: self._store.fetch(one.bucket, one.key, half))
        except ObjectGone:
            return None
        else:
            target = self._folder.blob(found.sha256)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            _put_in_place(half, target)
            content_type = found.content_type or "application/octet-stream"
            return Entry(one.bucket, one.key, found.etag, found.size_bytes, found.sha256, content_type)
        finally:
            half.unlink(missing_ok=True)


def _put_in_place(half: Path, target: Path) -> None:
    """Under its hash once it is on the disk: after a crash, what has the right length shall have the right bytes."""
    with half.open("rb") as file:
        os.fsync(file.fileno())
    half.replace(target)


def put_back(folder: BackupFolder, store: ObjectStore, entries: Iterable[Entry], count: Count) -> None:
    """Put every object where it was."""

    def put(entry: Entry) -> None:
        parts = _part_bytes(entry)
        blob = folder.blob(entry.sha256)
        patiently(lambda: store.put_parts(entry.bucket, entry.key, blob, entry.content_type, parts))

    n = 0
    with ThreadPoolExecutor(_THREADS) as pool:
        for page in _pages(entries):
            n += sum(1 for _ in pool.map(put, page))
            count(n)


def stood(entries: Mapping[Place, Entry], listed: Iterable[StoredObject]) -> Iterator[list[tuple[str, StoredObject]]]:
    """The ETag that each listed object had in the backup, a page at a time."""
    yield from _pages((entries[one.bucket, one.key].etag, one) for one in listed if (one.bucket, one.key) in entries)


def patiently(carry: Callable[[], T], pauses_s: Sequence[float] = _PAUSES_S) -> T:
    """Try again for a while: a store that has just started, or has much to do, refuses now and then."""
    for pause_s in pauses_s:
        try:
            return carry()
        except TransientError:
            sleep(pause_s)
    return carry()


def listing(store: ObjectStore, bucket: str) -> Iterator[StoredObject]:
    """What lies in a bucket, without the markers of folders."""
    return (one for one in store.listing(bucket) if one.size_bytes or not one.key.endswith("/"))


def _same(entry: Entry | None, one: StoredObject) -> bool:
    return entry is not None and (entry.etag, entry.size_bytes) == (one.etag, one.size_bytes)


def _part_bytes(entry: Entry) -> int:
    """In parts of which size it was put, so that it has the same ETag again: `-3` at its end says three parts."""
    _, dash, n_parts = entry.etag.rpartition("-")
    if not dash:
        return max(PART_BYTES, entry.size_bytes)
    return next((size for size in _PARTS_BYTES if math.ceil(entry.size_bytes / size) == int(n_parts)), PART_BYTES)


def _pages(items: Iterable[T]) -> Iterator[list[T]]:
    following = iter(items)
    while page := list(islice(following, _PAGE)):
        yield page
