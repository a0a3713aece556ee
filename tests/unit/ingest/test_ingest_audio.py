import numpy as np
import pytest

from services.ingest.audio import AudioFile
from services.ingest.unread import UnreadAudio
from tests.support.audio import tone, write


@pytest.fixture(params=["wav", "flac"])
def path(request, tmp_path):
    return write(tmp_path / "audio", tone(1.0, 16_000, amplitude=0.25), 16_000, request.param)


@pytest.mark.parametrize("n_samples", [1, 512, 5_000, 16_000, 50_000])
def test_blocks_are_the_recording_in_order(path, n_samples):
    with AudioFile(path) as audio:
        blocks = list(audio.blocks(n_samples))
        assert {len(block) for block in blocks[:-1]} <= {n_samples}
        np.testing.assert_array_equal(np.concatenate(blocks), audio.read(0, audio.n_samples))


def test_two_walks_over_the_blocks_do_not_disturb_each_other(path):
    with AudioFile(path) as audio:
        for one, other in zip(audio.blocks(700), audio.blocks(700), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("start", "end", "n"), [(0, 10, 10), (15_990, 20_000, 10), (-5, 5, 5), (20_000, 30_000, 0), (9, 3, 0)]
)
def test_reading_stops_where_the_recording_does(path, start, end, n):
    with AudioFile(path) as audio:
        assert len(audio.read(start, end)) == n


def test_the_peak_is_read_unless_it_is_known(path):
    with AudioFile(path) as audio, AudioFile(path, peak=0.75) as known:
        assert audio.peak == pytest.approx(0.25, abs=1e-4)
        assert known.peak == 0.75


def test_only_16_khz_mono_is_taken(tmp_path):
    with pytest.raises(ValueError, match="16 kHz"):
        AudioFile(write(tmp_path / "a", tone(0.1, 44_100), 44_100, "wav"))


def test_audio_that_was_not_fetched_cannot_be_read():
    audio = UnreadAudio(100, 0.5)
    with pytest.raises(RuntimeError):
        audio.blocks(10)
    with pytest.raises(RuntimeError):
        audio.read(0, 10)
