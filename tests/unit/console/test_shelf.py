"""Which recordings stay on disk, and what happens to the others."""

import hashlib
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import soundfile

from services.console.shelf import AudioGone, AudioShelf
from shared.storage.objects import Fetched, ObjectGone
from shared.storage.recordings import AudioSource
from tests.support.stack import until


class Bucket:
    """As much of an object store as the shelf needs: fetches count."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fetched: list[str] = []

    def fetch(self, _: str, key: str, target: Path) -> Fetched:
        self.fetched.append(key)
        stored = self.folder / key
        target.write_bytes(b"half a file")
        if not stored.exists():
            raise ObjectGone(key)
        target.write_bytes(stored.read_bytes())
        return Fetched("etag", hashlib.sha256(stored.read_bytes()).hexdigest(), stored.stat().st_size)


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    (tmp_path / "bucket").mkdir()
    for name in "abc":
        soundfile.write(tmp_path / "bucket" / f"{name}.wav", np.zeros(1000, np.int16), 16_000)
    return Bucket(tmp_path / "bucket")


def source(name: str, **changes: object) -> AudioSource:
    known = {"n_samples": 1000, "peak": 1.0, "bucket": "derived", "key": f"{name}.wav", "sha256": ""}
    return AudioSource(recording_id=UUID(int=ord(name)), **(known | changes))


def shelf_in(folder: Path, bucket: Bucket, max_bytes: int) -> AudioShelf:
    (folder / "shelf").mkdir()
    return AudioShelf(bucket, max_bytes, folder / "shelf")


def heard(shelf: AudioShelf, *names: str) -> None:
    for name in names:
        with shelf.open(source(name)) as file:
            assert file.frames == 1000


def test_a_recording_is_fetched_once(bucket: Bucket, tmp_path: Path) -> None:
    heard(shelf_in(tmp_path, bucket, 10_000), "a", "b", "a", "a")
    assert bucket.fetched == ["a.wav", "b.wav"]


def test_the_one_that_nobody_asked_for_longest_makes_room(bucket: Bucket, tmp_path: Path) -> None:
    heard(shelf_in(tmp_path, bucket, 4500), "a", "b", "a", "c", "a", "b")
    assert bucket.fetched == ["a.wav", "b.wav", "c.wav", "b.wav"]


def test_a_recording_larger_than_the_shelf_is_heard_all_the_same(bucket: Bucket, tmp_path: Path) -> None:
    heard(shelf_in(tmp_path, bucket, 10), "a", "b")
    assert len(list((tmp_path / "shelf").iterdir())) == 1


@pytest.mark.parametrize("gone", [{"key": "missing.wav"}, {"key": None}])
def test_audio_that_is_gone_leaves_nothing_behind(bucket: Bucket, tmp_path: Path, gone: dict) -> None:
    shelf = shelf_in(tmp_path, bucket, 10_000)
    with pytest.raises(AudioGone):
        shelf.open(source("a", **gone))
    assert list((tmp_path / "shelf").iterdir()) == []


def test_what_nobody_listens_to_goes_by_itself(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "shelf").mkdir()
    heard(AudioShelf(bucket, 10_000, tmp_path / "shelf", kept_s=0.02), "a", "b")
    until(lambda: not list((tmp_path / "shelf").iterdir()))


def test_what_is_erased_is_thrown_away_at_once(bucket: Bucket, tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path, bucket, 10_000)
    heard(shelf, "a", "b")
    shelf.forget([source("a").recording_id, UUID(int=1)])
    heard(shelf, "b")
    assert bucket.fetched == ["a.wav", "b.wav"]
    assert len(list((tmp_path / "shelf").iterdir())) == 1


def test_closing_throws_everything_away(bucket: Bucket) -> None:
    shelf = AudioShelf(bucket, 10_000)
    heard(shelf, "a")
    shelf.close()
    with pytest.raises(FileNotFoundError):
        list(shelf._home().iterdir())
