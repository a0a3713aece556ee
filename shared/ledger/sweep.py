"""Find blobs of the derived bucket that no row refers to, a page at a time, and delete them after a while.

Any number may run at once. Nothing is kept between runs but what stands in the database: after a crash the sweep begins
anew, and what it does again does no harm.
"""

import threading
from collections.abc import Iterator
from itertools import chain, islice
from time import monotonic
from typing import Final

from shared.errors import EarmarkError, PermanentError
from shared.settings import LedgerSettings
from shared.storage import orphans
from shared.storage.database import Database, DatabaseUnavailable
from shared.storage.objects import ObjectStore, StoredObject
from shared.telemetry import logger

log = logger("sweep")

KEYS_PER_STEP: Final = 1000  # a page of a listing; leases are looked after in between
DELETED_PER_STEP: Final = 100  # far fewer than can be deleted before others may delete them too (orphans.RETRY_S)


class Sweep:
    """One walk through the derived bucket after the other."""

    def __init__(self, database: Database, objects: ObjectStore, bucket: str, settings: LedgerSettings) -> None:
        self._database = database
        self._objects = objects
        self._bucket = bucket
        self._settings = settings
        self._walk: Iterator[StoredObject] | None = None
        self._begun_s = float("-inf")
        self._n_seen = self._n_condemned = 0

    def go_on(self, stop: threading.Event, pause_s: float) -> None:
        """Take step after step until `stop` is set, in a thread of its own: the store may be slow to answer."""
        rest_s = pause_s
        while not stop.wait(rest_s):
            rest_s = pause_s
            try:
                if self.step():
                    rest_s = 0.0
            except EarmarkError as error:
                log.warning("sweep_failed", code=error.code, error=str(error))
            except Exception:  # whatever it was: this thread must not end, nobody would notice
                log.exception("sweep_raised")

    def step(self) -> bool:
        """Delete what is due and look at the next page, if it is time for that; whether there is more to do at once.

        Raises ObjectStoreUnavailable.
        """
        more_due = self._delete_due()
        if self._walk is None:
            if monotonic() - self._begun_s < self._settings.blob_sweep_s:
                return more_due
            self._begin()
        try:
            self._look_on()
        except BaseException:
            self._walk = None  # a listing that broke off cannot be gone on with
            raise
        return more_due or self._walk is not None

    def _delete_due(self) -> bool:
        with self._database.begin() as tx:
            orphans.let_be_seen(tx)
        with self._database.begin() as tx:
            marked = orphans.mark_due(tx, DELETED_PER_STEP)
        n_deleted = sum(self._deleted(key) for key in marked)
        if n_deleted:
            log.info("blobs_deleted", n_blobs=n_deleted)
        return len(marked) == DELETED_PER_STEP

    def _deleted(self, key: str) -> bool:
        """Whether it was; one that cannot be deleted keeps no other from it."""
        try:
            with self._database.begin() as tx:
                return orphans.delete_marked(tx, key, self._delete)
        except DatabaseUnavailable:
            raise
        except EarmarkError as error:
            log.warning("blob_not_deleted", key=key, code=error.code, error=str(error))
            if isinstance(error, PermanentError):
                with self._database.begin() as tx:
                    orphans.spare(tx, key)
        return False

    def _delete(self, key: str) -> None:
        self._objects.delete(self._bucket, key)

    def _begin(self) -> None:
        with self._database.begin() as tx:
            orphans.forget_deleted(tx)
            n_rows = orphans.let_go(tx)
        log.info("sweep_begun", n_rows_let_go=n_rows)
        self._begun_s = monotonic()
        self._n_seen = self._n_condemned = 0
        self._walk = chain.from_iterable(self._objects.listing(self._bucket, prefix) for prefix in orphans.PREFIXES)

    def _look_on(self) -> None:
        assert self._walk is not None
        keys = [one.key for one in islice(self._walk, KEYS_PER_STEP)]
        with self._database.begin() as tx:
            nobodys = orphans.unreferenced(tx, keys)
            self._n_condemned += orphans.condemn(tx, nobodys, self._settings.blob_grace_s)
        self._n_seen += len(keys)
        if len(keys) < KEYS_PER_STEP:
            log.info("swept", n_blobs=self._n_seen, n_condemned=self._n_condemned)
            self._walk = None
