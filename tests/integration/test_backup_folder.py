"""Backups of servers with a few rows and objects: what interrupts them, what damages them, and what comes back."""

import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from services.launcher import stack
from services.launcher.stack import errors
from services.launcher.stack.backup import back_up
from services.launcher.stack.backup_folder import TOMBSTONES, BackupFolder
from services.launcher.stack.restore import Restored, restore
from shared import ids
from shared.events import ObjectSeen
from shared.ledger.outbox import announce, publish
from shared.storage import collections, encoders, erasure, recordings, tokens
from shared.storage.database import Database
from shared.storage.migrate import SchemaTooNew
from shared.storage.objects import ObjectStore
from shared.storage.recordings import NewRecording, Outcome, SeenObject
from tests.support.stack import AUDIO, DERIVED, Servers, open_folder, s3_client, settings_of

DUMPING = "Dumping the database."
ANNA, BERT = (ids.recording_id("talks", sha256) for sha256 in ("a", "b"))
MIB = 1 << 20
PUT_AT = datetime(2026, 1, 1, tzinfo=UTC)  # long before the restore puts the objects again


def put(servers: Servers, bucket: str, key: str, content: bytes, part_size: int = 0) -> str:
    stored = s3_client(servers.state).put_object(
        bucket, key, io.BytesIO(content), len(content), content_type="audio/x-own", part_size=part_size
    )
    return str(stored.etag)


def fill(servers: Servers, database: Database) -> None:
    """Two recordings: one of a file that was put in parts."""
    etags = {
        "talks/anna.wav": put(servers, AUDIO, "talks/anna.wav", b"anna"),
        "talks/bert.wav": put(servers, AUDIO, "talks/bert.wav", b"bert" * 3 * MIB, part_size=5 * MIB),
    }
    put(servers, DERIVED, "recordings/a.flac", b"derived of anna")
    put(servers, DERIVED, "recordings/b.flac", b"derived of bert")
    seen = [
        SeenObject(ids.object_id(AUDIO, key), "talks", AUDIO, key, etag, 4 if "anna" in key else 12 * MIB, PUT_AT)
        for key, etag in etags.items()
    ]
    with database.begin() as tx:
        encoders.announce_segmenter(tx, "whole", {"revision": "1"})
        encoders.announce_encoder(tx, "tiny", "tiny@1:last:mean", 2, {"revision": "1", "assign_threshold": 0.9})
        collections.create(tx, "talks", "whole", ("tiny",))
        recordings.see(tx, seen)
        found = ((ANNA, "a"), (BERT, "b"))
        recordings.register(
            tx, [NewRecording(own, "talks", sha, 16_000, f"recordings/{sha}.flac", {}) for own, sha in found]
        )
        recordings.settle(
            tx,
            [
                Outcome(one.object_id, one.etag, one.etag, recording_id=ANNA if "anna" in one.key else BERT)
                for one in seen
            ],
        )


@pytest.fixture
def filled(servers: Servers, database: Database) -> Servers:
    fill(servers, database)
    return servers


@dataclass
class Backups:
    """Backups of the servers, below one folder."""

    servers: Servers
    folder: Path

    def take(self, name: str, since: str | None = None, meanwhile: Callable[[], None] = lambda: None) -> BackupFolder:
        def tell(message: str) -> None:
            if message == DUMPING:
                meanwhile()

        older = self.folder / since if since else None
        back_up(self.folder / name, self.servers.state.data_dir, since=older, tell=tell)
        return BackupFolder(self.folder / name)


@pytest.fixture
def backups(filled: Servers, tmp_path: Path) -> Backups:
    return Backups(filled, tmp_path)


def keys(backup: BackupFolder) -> set[str]:
    return {entry.key for entry in backup.entries()}


def test_a_backup_holds_every_object_and_counts_every_row(backups: Backups) -> None:
    backup = backups.take("one")
    manifest = backup.verify()
    assert keys(backup) == {"talks/anna.wav", "talks/bert.wav", "recordings/a.flac", "recordings/b.flac"}
    assert (manifest.audio.n_objects, manifest.derived.n_objects) == (2, 2)
    assert manifest.tables["recording"] == 2
    assert manifest.missing == []


def test_it_is_for_its_owner_alone(backups: Backups) -> None:
    backup = backups.take("one")
    modes = {path.is_dir(): set() for path in backup.path.rglob("*")}
    for path in (backup.path, *backup.path.rglob("*")):
        modes[path.is_dir()].add(path.stat().st_mode & 0o777)
    assert modes == {True: {0o700}, False: {0o600}}


class Interrupted(Exception):
    """As by a person."""


def test_one_that_was_interrupted_goes_on_where_it_was(backups: Backups) -> None:
    def interrupt() -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        backups.take("one", meanwhile=interrupt)
    half = BackupFolder(backups.folder / "one.partial")
    with pytest.raises(errors.NotABackup):
        half.verify()
    (half.path / "objects" / "tmp_of_a_download").touch()
    written = {path.name: path.stat().st_ino for path in (half.path / "objects").glob("*/*")}
    assert len(written) == 4

    whole = backups.take("one")
    whole.verify()
    assert {path.name: path.stat().st_ino for path in (whole.path / "objects").glob("*/*")} == written
    assert not half.path.exists()
    assert not (whole.path / "objects" / "tmp_of_a_download").exists()


def test_what_an_older_backup_has_is_shared_and_outlives_it(backups: Backups) -> None:
    older = backups.take("one")
    put(backups.servers, AUDIO, "talks/anna.wav", b"anna again")
    newer = backups.take("two", since="one")
    blobs = [newer.blob(entry.sha256).stat().st_nlink for entry in newer.entries() if entry.key != "talks/anna.wav"]
    assert blobs == [2, 2, 2]
    shutil.rmtree(older.path)
    newer.verify()


def test_what_an_older_backup_has_lost_is_copied_again(backups: Backups) -> None:
    older = backups.take("one")
    first, second, *_ = sorted((older.path / "objects").glob("*/*"))
    first.write_bytes(b"")
    second.unlink()
    backups.take("two", since="one").verify()


def test_files_in_a_bucket_of_another_name_are_not_left_out(backups: Backups, database: Database) -> None:
    with database.begin() as tx:
        tx.exec_driver_sql("UPDATE stored_object SET bucket = 'of_before' WHERE key = 'talks/anna.wav'")
    with pytest.raises(errors.OtherBucket, match="of_before"):
        backups.take("one")


def test_what_comes_while_it_is_taken_is_in_it_and_what_nobody_needs_is_not(backups: Backups) -> None:
    client = s3_client(backups.servers.state)
    put(backups.servers, DERIVED, "recordings/of_nobody.flac", b"nobody")

    def meanwhile() -> None:
        put(backups.servers, AUDIO, "talks/carl.wav", b"carl")
        client.remove_object(DERIVED, "recordings/of_nobody.flac")
        client.remove_object(DERIVED, "recordings/a.flac")  # which the database relies on at this moment

    backup = backups.take("one", meanwhile=meanwhile)
    assert keys(backup) == {
        "talks/anna.wav",
        "talks/bert.wav",
        "talks/carl.wav",
        "recordings/a.flac",
        "recordings/b.flac",
    }
    assert sum(1 for _ in (backup.path / "objects").glob("*/*")) == 5
    assert backup.verify().missing == []


def test_what_the_store_has_lost_is_named(backups: Backups) -> None:
    s3_client(backups.servers.state).remove_object(DERIVED, "recordings/a.flac")
    assert backups.take("one").verify().missing == [(DERIVED, "recordings/a.flac")]


def test_nothing_is_written_over(backups: Backups) -> None:
    backups.take("one")
    with pytest.raises(errors.BackupExists):
        backups.take("one")


def test_a_folder_without_a_stack_cannot_be_backed_up(tmp_path: Path) -> None:
    with pytest.raises(errors.NoStackThere):
        back_up(tmp_path / "backup", tmp_path / "empty")
    assert list(tmp_path.iterdir()) == []


def lose(path: Path) -> None:
    path.unlink()


def change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_damage_is_found_before_anything_is_restored(backups: Backups, tmp_path: Path) -> None:
    with_erased(backups.servers, [BERT])
    backup = backups.take("one")
    files = ("database.dump", "objects.jsonl", "keepsake.json", "tombstones.jsonl", "objects/*/*")
    for n, (what, harm) in enumerate(product(files, (lose, change))):
        damaged = Path(shutil.copytree(backup.path, tmp_path / f"copy {n}"))
        harm(next(damaged.glob(what)))
        with pytest.raises(errors.DamagedBackup):
            restore(damaged, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_backup_of_a_newer_version_is_refused(backups: Backups, tmp_path: Path) -> None:
    manifest = backups.take("one").path / "manifest.json"
    revision = BackupFolder(manifest.parent).manifest().schema_revision
    manifest.write_text(manifest.read_text().replace(f'"schema_revision": "{revision}"', '"schema_revision": "9999"'))
    with pytest.raises(SchemaTooNew, match="9999"):
        restore(manifest.parent, tmp_path / "new")


def with_erased(servers: Servers, recording_ids: list[UUID]) -> None:
    database = Database(servers.settings.database)
    with database.begin() as tx:
        erased = erasure.erase_recordings(tx, "talks", recording_ids, "me")
        publish(tx, [announce(event) for event in erased.events])
    database.close()


@dataclass(frozen=True)
class Back:
    """A backup of before an erasure, restored with the tombstones of after it."""

    servers: Servers
    restored: Restored
    before: BackupFolder
    of_stopped: BackupFolder

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.servers.state.database_url) as connection:
            return connection.execute(query).fetchall()


STATES = ("pending", "queued", "leased", "dead")


def under_way(database: Database) -> None:
    """Deliveries in every state, and a blob whose end waits for a transaction of this server."""
    made = [
        ObjectSeen(object_id=ids.new_id(), collection="talks", bucket=AUDIO, key=state, etag="e", size_bytes=1)
        for state in STATES
    ]
    with database.begin() as tx:
        publish(tx, [announce(event) for event in made])
        tx.exec_driver_sql(
            """UPDATE delivery d SET state = e.data->>'key', attempt = 1, lease_until = now() + interval '1 hour',
                      not_before = now() + interval '1 hour' FROM event e WHERE e.event_id = d.event_id"""
        )
        tx.exec_driver_sql("INSERT INTO condemned_blob (key, due_at, horizon) VALUES ('frames/x', now(), 1000000000)")


@pytest.fixture(scope="module")
def back(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Back]:
    backups = Backups(servers, tmp_path_factory.mktemp("backups"))
    servers.empty()
    database = Database(servers.settings.database)
    fill(servers, database)
    under_way(database)
    with database.begin() as tx:
        tokens.create(tx, "ours", "a secret", ("read",))
        tokens.create(tx, "expired", "another", ("read",), expires_at=PUT_AT)
    database.close()
    before = backups.take("before")
    with_erased(servers, [BERT])
    after = backups.take("after", since="before")
    with open_folder() as folder:
        restored = restore(before.path, folder, erased=after.path / TOMBSTONES)
        with pytest.MonkeyPatch.context() as elsewhere:  # the names are the stack's, not the caller's
            elsewhere.setenv("EARMARK_S3__AUDIO_BUCKET", "other")
            elsewhere.setenv("EARMARK_S3__DERIVED_BUCKET", "other-derived")
            back_up(backups.folder / "stopped", folder)
        state = stack.up(folder, services=())
        try:
            of_stopped = BackupFolder(backups.folder / "stopped")
            yield Back(Servers(state, settings_of(state)), restored, before, of_stopped)
        finally:
            stack.down(folder)


def test_what_was_under_way_waits_again_and_nobody_is_to_blame(back: Back) -> None:
    found = back.rows(
        """SELECT e.data->>'key', d.state, d.attempt FROM delivery d JOIN event e USING (event_id)
           WHERE e.type LIKE '%object.seen%'"""
    )
    assert sorted(found) == [
        ("dead", "dead", 1),
        ("leased", "pending", 0),
        ("pending", "pending", 1),
        ("queued", "pending", 1),
    ]


def test_what_hung_on_the_transactions_of_the_old_server_does_so_no_more(back: Back) -> None:
    assert back.rows("SELECT DISTINCT xid FROM event WHERE type LIKE '%object.seen%'") == [(0,)]
    assert back.rows("SELECT horizon FROM condemned_blob WHERE key = 'frames/x'") == [(None,)]


def test_who_was_erased_since_does_not_come_back(back: Back) -> None:
    assert back.rows("SELECT recording_id FROM recording") == [(ANNA,)]
    assert back.rows("SELECT subject_id FROM tombstone") == [(BERT,)]
    assert back.rows("SELECT receipt_id FROM erasure") == [(back.restored.receipt_id,)]
    # The service that deletes his files hears of it when it starts.
    assert back.rows("SELECT subscription FROM delivery WHERE subscription = 'ingest.erase'") != []


def test_tokens_that_are_valid_again_are_named(back: Back) -> None:
    assert back.restored.tokens == ["ours"]


def test_objects_have_their_bytes_types_and_etags_again(back: Back) -> None:
    client = s3_client(back.servers.state)
    for entry in back.before.entries():
        found = client.stat_object(entry.bucket, entry.key)
        assert (found.etag, found.content_type) == (entry.etag, "audio/x-own")
    with client.get_object(AUDIO, "talks/anna.wav") as answer:
        assert answer.read() == b"anna"


def test_the_sweep_takes_nothing_for_new(back: Back) -> None:
    store = ObjectStore(back.servers.settings.s3)
    database = Database(back.servers.settings.database)
    with database.begin() as tx:
        listed = [one for one in store.listing(AUDIO) if one.key == "talks/anna.wav"]
        assert recordings.known_keys(tx, AUDIO, listed) == {"talks/anna.wav"}
    database.close()


def test_a_stack_that_does_not_run_is_backed_up_all_the_same(back: Back) -> None:
    assert keys(back.of_stopped) == keys(back.before)
    assert back.of_stopped.verify().tables["recording"] == 1


def test_a_restore_that_is_not_what_was_backed_up_is_never_started(backups: Backups) -> None:
    manifest = backups.take("one").path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"recording": 2', '"recording": 3'))
    with open_folder() as folder:
        with pytest.raises(errors.RestoreDiffers, match="recording has 2 rows instead of 3"):
            restore(manifest.parent, folder)
        with pytest.raises(errors.HalfRestored):
            stack.up(folder, services=())
        with pytest.raises(errors.HalfRestored):
            back_up(backups.folder / "of a half", folder)
        with pytest.raises(errors.DataDirNotEmpty):
            restore(manifest.parent, folder)


@pytest.mark.parametrize("name", ["objects.jsonl", TOMBSTONES])  # nobody was erased
def test_a_file_without_tombstones_is_refused(backups: Backups, tmp_path: Path, name: str) -> None:
    backup = backups.take("one")
    with pytest.raises(errors.BadTombstones):
        restore(backup.path, tmp_path / "new", erased=backup.path / name)
    assert not (tmp_path / "new").exists()
