"""Backups of servers with a few rows and objects: what interrupts them, what damages them."""

import os
import shutil
from itertools import product
from pathlib import Path

import pytest

from services.launcher import stack
from services.launcher.stack import errors
from services.launcher.stack.backup import back_up
from services.launcher.stack.backup_folder import TOMBSTONES, BackupFolder
from services.launcher.stack.restore import restore
from shared.storage.database import Database
from shared.storage.migrate import SchemaTooNew
from tests.integration.backup.folders import BERT, Backups, keys, put, with_erased
from tests.support.stack import AUDIO, DERIVED, open_folder, s3_client


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


def test_a_backup_is_taken_and_restored_under_relative_paths(backups: Backups, monkeypatch: pytest.MonkeyPatch) -> None:
    backups.take("older")
    monkeypatch.chdir(backups.folder)
    back_up(Path("one"), backups.servers.state.data_dir, since=Path("older"))
    assert sorted(path.name for path in backups.folder.iterdir()) == ["older", "one"]
    with open_folder() as folder:
        restored = restore(Path("one"), Path(os.path.relpath(folder)))
        assert (restored.data_dir, restored.manifest.tables["recording"]) == (folder.resolve(), 2)


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
