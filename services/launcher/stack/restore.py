"""Make a stack of a backup, in a data directory of its own, and let nobody use it before it is proved to be whole."""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from pydantic import SecretStr, TypeAdapter, ValidationError

from services.launcher.stack.backup import named, remarks, store_settings
from services.launcher.stack.backup_folder import DUMP, KEEPSAKE, BackupFolder, Manifest
from services.launcher.stack.backup_objects import listing, put_back, stood
from services.launcher.stack.errors import BadTombstones, DataDirNotEmpty, DiskFull, RestoreDiffers
from services.launcher.stack.files import write_private
from services.launcher.stack.layout import Layout, layout_of
from services.launcher.stack.servers import dumping
from services.launcher.stack.startup import Tell, start
from services.launcher.stack.state import Keepsake, StackState
from services.launcher.stack.stopping import stop
from shared.ledger.outbox import announce, publish
from shared.settings import DatabaseSettings
from shared.storage import backups, erasure, migrate, tokens, tombstones
from shared.storage.database import Database
from shared.storage.objects import ObjectStore, StoredObject
from shared.storage.tombstones import Tombstone
from shared.units import GIB
from shared.wording import counted

ACTOR = "restore"
_EMBEDDED = dict.fromkeys(("EARMARK_DATABASE__URL", "EARMARK_REDIS__URL", "EARMARK_S3__ENDPOINT"), "")
_STONES = TypeAdapter(Tombstone)


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of a backup."""

    data_dir: Path
    manifest: Manifest
    schema_revision: str  # after the migrations
    n_tombstones: int  # that the backup did not have
    receipt_id: UUID | None  # of what was erased again, because it had come back
    tokens: list[str]  # names of those that open it, also of those that were revoked after the backup


def restore(
    source: Path, data_dir: Path | None = None, *, erased: Path | None = None, tell: Tell = lambda _: None
) -> Restored:
    """Restore a backup into an empty data directory; nothing runs in it when this returns.

    `erased`: tombstones that were laid after the backup was taken; whoever they are of does not come back. Raises
    NotABackup, DamagedBackup, BadTombstones, SchemaTooNew, DataDirNotEmpty, DiskFull, DumpFailed, RestoreDiffers.
    """
    folder = BackupFolder(source.resolve())  # pg_restore runs in another folder
    tell("Checking the backup.")
    manifest = folder.verify()
    migrate.require_known(manifest.schema_revision)
    stones = _read_tombstones(erased) if erased else []
    layout = layout_of(data_dir)
    _require_room(layout, manifest)
    with (
        _servers(layout, folder, manifest, tell) as state,
        closing(Database(DatabaseSettings(url=SecretStr(state.database_url)))) as database,
    ):
        tell("Restoring the database.")
        dumping.restore(state.database_url, folder.path / DUMP)
        _require_rows(database, manifest)
        migrated = migrate.upgrade(state.database_url)
        tell(f"Restoring {counted(manifest.audio.n_objects + manifest.derived.n_objects, 'object')}.")
        store = ObjectStore(store_settings(state))
        put_back(folder, store, folder.entries(), remarks(tell, "Objects so far"))
        listed = {bucket.name: list(listing(store, bucket.name)) for bucket in manifest.buckets}
        _settle(database, folder, manifest.audio.name, listed[manifest.audio.name])
        n_new, receipt_id = _erase_again(database, stones)
        _require_objects(database, manifest, listed)
        valid = _valid_tokens(database)
    return Restored(layout.data_dir, manifest, migrated.now, n_new, receipt_id, valid)


@contextmanager
def _servers(layout: Layout, folder: BackupFolder, manifest: Manifest, tell: Tell) -> Iterator[StackState]:
    """The servers of a new data directory; if all goes well, it is marked as whole."""
    if layout.data_dir.exists() and {path.name for path in layout.data_dir.iterdir()} - {"lost+found"}:
        raise DataDirNotEmpty(f"{layout.data_dir} is not empty.")
    layout.create()
    layout.unfinished_file.touch(mode=0o600)
    # Under the names that the rows give the buckets, and in servers of its own, whatever the environment says.
    names = manifest.audio.name, manifest.derived.name
    write_private(layout.keepsake_file, (folder.path / KEEPSAKE).read_text())
    Keepsake.of(layout)  # first of all: the stack that was backed up may run, and its ports are its own
    with layout.held():
        state = start(layout, (), {**os.environ, **_EMBEDDED, **named(names)}, tell)
        try:
            yield state
        finally:
            layout.state_file.unlink(missing_ok=True)
            stop(layout)
        layout.unfinished_file.unlink()


def _require_room(layout: Layout, manifest: Manifest) -> None:
    above = next(path for path in (layout.data_dir, *layout.data_dir.parents) if path.exists())
    wanted = manifest.database_bytes + sum(bucket.n_bytes for bucket in manifest.buckets)
    free = shutil.disk_usage(above).free
    if free < wanted:
        raise DiskFull(f"It takes {wanted / GIB:.1f} GiB, and {above} has {free / GIB:.1f} GiB left.")


def _read_tombstones(path: Path) -> list[Tombstone]:
    try:
        stones = [_STONES.validate_json(line) for line in path.read_bytes().splitlines()]
    except (OSError, ValidationError) as error:
        raise BadTombstones(f"{path} holds no tombstones.") from error
    if not stones:
        raise BadTombstones(f"{path} is empty: if nobody was erased since, leave it out.")
    return stones


def _require_rows(database: Database, manifest: Manifest) -> None:
    with database.begin() as tx:
        found = backups.counts(tx)
    if differing := sorted(name for name, n in manifest.tables.items() if found.get(name) != n):
        name = differing[0]
        raise RestoreDiffers(f"{name} has {found.get(name)} rows instead of {manifest.tables[name]}.")


def _settle(database: Database, folder: BackupFolder, bucket: str, listed: list[StoredObject]) -> None:
    entries = {(entry.bucket, entry.key): entry for entry in folder.entries() if entry.bucket == bucket}
    with database.begin() as tx:
        backups.settle(tx)
        for page in stood(entries, listed):
            backups.known_as(tx, bucket, page)


def _erase_again(database: Database, stones: list[Tombstone]) -> tuple[int, UUID | None]:
    """How many tombstones are new here, and the receipt of what had come back."""
    if not stones:
        return 0, None
    with database.begin() as tx:
        n_new = tombstones.restore(tx, stones)
        erased = erasure.erase_what_came_back(tx, [stone.subject_id for stone in stones], ACTOR)
        if erased is None:
            return n_new, None
        publish(tx, [announce(event) for event in erased.events])
        return n_new, erased.receipt.receipt_id


def _valid_tokens(database: Database) -> list[str]:
    with database.begin() as tx:
        return [one.name for one in tokens.listing(tx) if not one.expired]


def _require_objects(database: Database, manifest: Manifest, listed: dict[str, list[StoredObject]]) -> None:
    with database.begin() as tx:
        wanted = backups.referenced(tx, manifest.audio.name, manifest.derived.name)
    there = {(one.bucket, one.key) for of_bucket in listed.values() for one in of_bucket}
    if lost := wanted - there - set(manifest.missing):
        bucket, key = min(lost)
        raise RestoreDiffers(f"{counted(len(lost), 'object')} that rows rely on did not come: {bucket}/{key}, ...")
