"""Downloaded recordings stay on disk as long as there is room, and as long as there are not too many."""

import tempfile
from pathlib import Path

import pytest

from services.embedder.blobs import BlobCache
from shared.storage.recordings import AudioSource
from tests.integration.embedder.working import Workshop
from tests.support.stack import until

N_BYTES = 1000


@pytest.fixture
def sources(workshop: Workshop, tmp_path: Path) -> list[AudioSource]:
    """Four objects in the store."""
    bucket = workshop.settings.s3.derived_bucket
    found = []
    for number in range(4):
        (tmp_path / "one").write_bytes(bytes([number]) * N_BYTES)
        workshop.store.put_file(bucket, f"cached-{number}", tmp_path / "one", "audio/flac")
        found.append(AudioSource(None, 1, 1.0, bucket, f"cached-{number}", str(number)))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=tmp_path))


def test_a_recording_is_downloaded_once(workshop, sources, folder):
    cache = BlobCache(workshop.store, folder, 100 * N_BYTES)
    first = cache.path(sources[0])
    cache.shrink()
    assert cache.path(sources[0]) == first
    assert first.read_bytes() == bytes(N_BYTES)


def test_what_was_not_used_for_longest_goes_when_the_disk_is_full(workshop, sources, folder):
    cache = BlobCache(workshop.store, folder, 2 * N_BYTES)
    paths = [cache.path(source) for source in sources[:3]]
    cache.path(sources[0])
    cache.shrink()
    assert [path.exists() for path in paths] == [True, False, True]


def test_of_many_short_recordings_the_last_ones_stay(workshop, sources, folder):
    cache = BlobCache(workshop.store, folder, 100 * N_BYTES, most_copies=2)
    paths = [cache.path(source) for source in sources]
    cache.shrink()
    assert [path.exists() for path in paths] == [False, False, True, True]


def test_what_nobody_wants_any_more_goes_by_itself(workshop, sources, folder):
    cache = BlobCache(workshop.store, folder, 100 * N_BYTES, kept_s=0.02)
    for source in sources:
        cache.path(source)
    until(lambda: not list(folder.iterdir()))
    assert cache.path(sources[0]).exists()
