"""Two libraries decode FLAC: the quick one gives the same samples, and has no say in what is damaged."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from services.ingest.decode.decoding import decode_file
from services.ingest.decode.errors import Corrupt, Truncated
from services.ingest.decode.headers.dispatch import read_promise
from services.ingest.decode.limits import DecodeLimits
from services.ingest.decode.pcm import PcmSource, open_pcm
from services.ingest.decode.pcm_miniaudio import MiniaudioPcm
from services.ingest.decode.pcm_soundfile import SoundfilePcm
from services.ingest.sniff import Container
from tests.support import audio

LIMITS = DecodeLimits()


@pytest.fixture
def stereo() -> np.ndarray:
    return np.random.default_rng(3).normal(0, 0.2, (44_100, 2)).astype(np.float32)


def opened(path: Path) -> PcmSource:
    with path.open("rb") as handle:
        return open_pcm(path, handle, Container.FLAC, read_promise(Container.FLAC, handle, 0, path.stat().st_size))


def samples(pcm: PcmSource) -> np.ndarray:
    with closing(pcm):
        return np.concatenate(list(pcm.blocks()))


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_both_give_the_same_samples(tmp_path: Path, channels: int) -> None:
    noise = np.random.default_rng(channels).normal(0, 0.2, (300_000, channels)).astype(np.float32)
    path = audio.write(tmp_path / "a.flac", noise, 48_000, "flac")
    quick = opened(path)
    assert isinstance(quick, MiniaudioPcm)
    assert np.array_equal(samples(quick), samples(SoundfilePcm(path, Container.FLAC)))


def test_24_bits_keep_all_of_them(tmp_path: Path, stereo: np.ndarray) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, stereo, 44_100, "PCM_24")
    assert isinstance(opened(path), SoundfilePcm)


def test_a_flipped_bit_is_found(tmp_path: Path, stereo: np.ndarray) -> None:
    path = audio.write(tmp_path / "a.flac", stereo, 44_100, "flac")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(Corrupt):
        decode_file(path, tmp_path / "made.flac", LIMITS)


def test_a_lost_end_is_found(tmp_path: Path, stereo: np.ndarray) -> None:
    path = audio.write(tmp_path / "a.flac", stereo, 44_100, "flac")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(Truncated):
        decode_file(path, tmp_path / "made.flac", LIMITS)


def test_junk_that_costs_no_sample_does_no_harm(tmp_path: Path, stereo: np.ndarray) -> None:
    path = audio.write(tmp_path / "a.flac", stereo, 44_100, "flac")
    expected = samples(opened(path))
    path.write_bytes(path.read_bytes() + b"\x00" * 5000)
    assert np.array_equal(samples(opened(path)), expected)
    assert decode_file(path, tmp_path / "made.flac", LIMITS).n_samples == 16_000
