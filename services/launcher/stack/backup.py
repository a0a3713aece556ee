"""Take a backup of one stack, running or stopped, while work goes on in it.

The objects come first, then the database as it is at one moment, then the objects that came meanwhile. So each blob
that the database refers to at that moment is there: it stood at the first pass, or it was made after it and the second
finds it. The other order would lose what is deleted while the database is read, the database alone what it forgets
while hours of audio are copied. What it does not know yet is no loss: a sweep finds it after the restore.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import TextIO

from pydantic import SecretStr, TypeAdapter

from services.launcher.stack.assembly import AUDIO_BUCKET, DERIVED_BUCKET, buckets_of
from services.launcher.stack.backup_folder import (
    DUMP,
    INDEX,
    KEEPSAKE,
    MANIFEST,
    TOMBSTONES,
    BackupFolder,
    Bucket,
    Entry,
    Manifest,
    hashes_of,
    private,
)
from services.launcher.stack.backup_objects import JOURNAL, Copier, Place
from services.launcher.stack.errors import BackupExists, DiskFull, NoStackThere, OtherBucket
from services.launcher.stack.files import write_private
from services.launcher.stack.layout import Layout, layout_of
from services.launcher.stack.lifecycle import running
from services.launcher.stack.servers import dumping
from services.launcher.stack.startup import Tell, start
from services.launcher.stack.state import Keepsake, StackState
from services.launcher.stack.stopping import stop
from shared.settings import DatabaseSettings, S3Settings, Settings
from shared.storage import backups, migrate
from shared.storage.database import Database, Transaction
from shared.storage.objects import ObjectStore
from shared.storage.tombstones import Tombstone
from shared.units import GIB

_SAID_EVERY_S = 10.0
_STONES = TypeAdapter(Tombstone)


def back_up(
    destination: Path, data_dir: Path | None = None, *, since: Path | None = None, tell: Tell = lambda _: None
) -> Manifest:
    """Back the stack of a data directory up into a new folder, and return what it holds.

    Until it is whole it lies at `<destination>.partial`, where another try goes on. Objects that the backup `since` has
    are not copied again. Raises BackupExists, NoStackThere, HalfRestored, OtherBucket,
    NotABackup, DiskFull, DumpFailed, TransientError.
    """
    destination = destination.resolve()  # pg_dump runs in another folder
    if destination.exists():
        raise BackupExists(f"{destination} is there already.")
    older = BackupFolder(since) if since else None
    if older:
        older.manifest()
    with _stack(layout_of(data_dir), tell) as (layout, state), _begun(destination) as (folder, journal):
        copier = Copier(folder, ObjectStore(store_settings(state)), journal, older)
        manifest = _fill(folder, copier, layout, state, tell)
        write_private(folder.path / MANIFEST, manifest.model_dump_json(indent=2))
        (folder.path / JOURNAL).unlink()
        os.sync()
        folder.path.rename(destination)
    return manifest


@contextmanager
def _begun(destination: Path) -> Iterator[tuple[BackupFolder, TextIO]]:
    """The folder beside, of this process alone, and the journal of what it has already."""
    folder = BackupFolder(destination.with_name(f"{destination.name}.partial"))
    (folder.path / "objects").mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.path.chmod(0o700)
    with private(folder.path / JOURNAL, "a") as journal:
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupExists(f"{folder.path} is being written by another backup.") from None
        whole = (folder.path / JOURNAL).read_bytes().rpartition(b"\n")
        journal.truncate(len(whole[0]) + len(whole[1]))  # a line that an earlier try did not finish
        yield folder, journal


@contextmanager
def _stack(layout: Layout, tell: Tell) -> Iterator[tuple[Layout, StackState]]:
    """The stack that runs there; of one that does not, the servers alone, for as long as it takes."""
    layout.require_whole()
    if state := running(layout.data_dir):
        yield layout, state
        return
    kept = Keepsake.read(layout)
    if kept is None:
        raise NoStackThere(f"{layout.data_dir} holds no stack.")
    names = named(kept.buckets) if kept.buckets else {}
    with layout.held():
        state = start(layout, (), {**os.environ, **names}, tell)
        try:
            yield layout, state
        finally:
            layout.state_file.unlink(missing_ok=True)
            stop(layout)


@dataclass(frozen=True, slots=True)
class _Moment:
    """What was seen of the database in the snapshot that was dumped."""

    taken_at: datetime
    tables: Mapping[str, int]
    referenced: set[Place]
    schema_revision: str
    postgres: str
    database_bytes: int


def _fill(folder: BackupFolder, copier: Copier, layout: Layout, state: StackState, tell: Tell) -> Manifest:
    s3 = store_settings(state)
    names = s3.audio_bucket, s3.derived_bucket
    with closing(Database(DatabaseSettings(url=SecretStr(state.database_url)))) as database:
        _require_bucket(database, s3.audio_bucket)
        _require_room(folder.path, database, copier.lacking_bytes(names))
        tell("Copying objects.")
        copier.copy(names, remarks(tell, "Objects so far"))
        tell("Dumping the database.")
        moment = _dump(database, state.database_url, folder, names)
    tell("Copying objects that came meanwhile.")
    standing = copier.copy(names, remarks(tell, "Objects looked at again"))
    # What was deleted meanwhile stays if the database of this backup still relies on it.
    kept = [entry for place, entry in copier.have.items() if place in standing or place in moment.referenced]
    folder.write_index(kept)
    folder.drop_unlisted({entry.sha256 for entry in kept})
    write_private(folder.path / KEEPSAKE, layout.keepsake_file.read_text())
    return _manifest(folder, moment, kept, names)


def _require_bucket(database: Database, name: str) -> None:
    with database.begin() as tx:
        others = backups.audio_buckets(tx) - {name}
    if others:
        raise OtherBucket(f"The database knows files of the bucket {min(others)!r}, and the stack's is {name!r}.")


def _require_room(path: Path, database: Database, objects_bytes: int) -> None:
    with database.begin() as tx:
        wanted = objects_bytes + backups.size_bytes(tx)
    free = shutil.disk_usage(path).free
    if free < wanted:
        raise DiskFull(f"It may take {wanted / GIB:.1f} GiB, and {path} has {free / GIB:.1f} GiB left.")


def _dump(database: Database, url: str, folder: BackupFolder, names: tuple[str, str]) -> _Moment:
    with private(folder.path / DUMP):
        pass  # made private first; pg_dump writes into it
    with backups.snapshot(database) as snapshot:
        moment = _Moment(
            taken_at=datetime.now(UTC),
            tables=backups.counts(snapshot.tx),
            referenced=backups.referenced(snapshot.tx, *names),
            schema_revision=migrate.revision_of(snapshot.tx) or "",
            postgres=backups.server_version(snapshot.tx),
            database_bytes=backups.size_bytes(snapshot.tx),
        )
        _write_tombstones(snapshot.tx, folder.path / TOMBSTONES)
        dumping.dump(url, folder.path / DUMP, snapshot.name)
    return moment


def _write_tombstones(tx: Transaction, path: Path) -> None:
    """For whoever restores an older backup: who was erased since. As `earmark tombstones export` writes them."""
    with private(path) as file:
        for stone in backups.erased(tx):
            file.write(f"{_STONES.dump_json(stone).decode()}\n")


def _manifest(folder: BackupFolder, moment: _Moment, kept: list[Entry], names: tuple[str, str]) -> Manifest:
    had = {(entry.bucket, entry.key) for entry in kept}
    audio, derived = (
        Bucket(
            name=name,
            n_objects=sum(1 for entry in kept if entry.bucket == name),
            n_bytes=sum(entry.size_bytes for entry in kept if entry.bucket == name),
        )
        for name in names
    )
    return Manifest(
        earmark=version("earmark"),
        schema_revision=moment.schema_revision,
        postgres=moment.postgres,
        taken_at=moment.taken_at,
        database_bytes=moment.database_bytes,
        tables=dict(moment.tables),
        audio=audio,
        derived=derived,
        missing=sorted(moment.referenced - had),
        files=hashes_of(folder.path, (DUMP, INDEX, TOMBSTONES, KEEPSAKE)),
    )


def named(buckets: tuple[str, str]) -> dict[str, str]:
    """The environment of a stack whose buckets are called that."""
    return dict(zip((AUDIO_BUCKET, DERIVED_BUCKET), buckets, strict=True))


def store_settings(state: StackState) -> S3Settings:
    """How to reach the store of a stack, under the names that its buckets have there."""
    audio, derived = state.buckets or buckets_of(os.environ)
    return Settings().s3.model_copy(
        update={
            "audio_bucket": audio,
            "derived_bucket": derived,
            "endpoint": state.s3_endpoint,
            "access_key": SecretStr(state.s3_access_key),
            "secret_key": SecretStr(state.s3_secret_key),
        }
    )


def remarks(tell: Tell, what: str) -> Callable[[int], None]:
    """A remark now and then, if it takes long."""
    said_s = monotonic()

    def count(n: int) -> None:
        nonlocal said_s
        if monotonic() - said_s >= _SAID_EVERY_S:
            said_s = monotonic()
            tell(f"{what}: {n:,}")

    return count
