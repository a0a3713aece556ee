"""The derived bucket with the database that it belongs to, and what writers and the sweep do to it."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import sqlalchemy as sa

from shared.ledger.sweep import Sweep
from shared.settings import LedgerSettings
from shared.storage import orphans, recordings
from shared.storage.database import Database, Transaction
from shared.storage.objects import ObjectStore
from shared.storage.recordings import NewRecording

COLLECTION, SPACE, WIDE_HZ = "talks", "e@1:last:mean", 44_100
_numbers = itertools.count()


@dataclass
class Bucket:
    """The derived bucket, and the database that it belongs to."""

    database: Database
    store: ObjectStore
    name: str
    folder: Path

    def put(self, key: str) -> str:
        path = self.folder / "blob"
        path.write_bytes(b"blob")
        self.store.put_file(self.name, key, path, "audio/flac")
        return key

    def stands(self, key: str) -> bool:
        return self.store.exists(self.name, key)

    def sweep(self, grace_s: float = 0.0, n_steps: int = 2) -> None:
        """Look at everything, and delete what is due."""
        sweep = Sweep(self.database, self.store, self.name, LedgerSettings(blob_grace_s=grace_s))
        for _ in range(n_steps):
            sweep.step()

    def later(self) -> None:
        """What waits is due: for the first time, or because nobody has said that it is deleted."""
        with self.database.begin() as tx:
            tx.execute(sa.text("UPDATE condemned_blob SET due_at = clock_timestamp()"))

    def condemned(self, *keys: str) -> None:
        """As the embedder does with frames of segments that are gone, and known to everybody."""
        with self.database.begin() as tx:
            orphans.condemn(tx, keys)
        with self.database.begin() as tx:
            orphans.let_be_seen(tx)

    def marked(self, *keys: str) -> list[str]:
        self.condemned(*keys)
        with self.database.begin() as tx:
            return orphans.mark_due(tx, len(keys))

    def refer(self, tx: Transaction, key: str) -> UUID:
        """As ingest does when it has decoded a recording."""
        own = uuid4()
        recordings.register(tx, [NewRecording(own, COLLECTION, own.hex, 16_000, key, {})])
        orphans.hold(tx, [key], self.stands)
        return own


def digest() -> str:
    return f"{next(_numbers):064x}"


def flac(what: str = "recordings/1") -> str:
    return f"{what}/00/{digest()}.flac"
