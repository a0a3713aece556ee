"""What a refusal says, and the limits that are set; every kind of bad file is in tests/bad_input."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from services.ingest.decode.limits import DecodeLimits
from services.ingest.decode.pcm_av import AvPcm
from services.ingest.decode.sandbox import Decoder
from services.ingest.sniff import Container
from shared.errors import RejectedInput
from tests.support.audio import chunk, fmt, pcm16, riff, tone, write


@pytest.fixture
def refusal(decoder, tmp_path):
    """Write a file, decode it, and return what it is refused for."""

    def refusal(content: bytes, decoder=decoder) -> RejectedInput:
        source, target = tmp_path / "upload.wav", tmp_path / "target.flac"
        source.write_bytes(content)
        with pytest.raises(RejectedInput) as caught:
            decoder.decode(source, target)
        assert not target.exists()
        return caught.value

    return refusal


_SOUND = pcm16(tone(1.0, 16_000))


def _wav(form: bytes = fmt(), sound: bytes = _SOUND) -> bytes:
    return riff(form, chunk(b"data", sound))


def test_the_refusal_of_half_a_wav_says_how_much_is_there(refusal):
    assert "32,000 bytes; 12,000 are there" in refusal(_wav()[: 44 + 12_000]).detail


def test_the_refusal_of_half_a_flac_says_how_much_is_there(refusal, tmp_path, rng):
    noise = (0.1 * rng.standard_normal(10 * 16_000)).astype(np.float32)
    whole = write(tmp_path / "whole", noise, 16_000, "flac").read_bytes()
    assert refusal(whole[: len(whole) // 2]).detail.startswith("The header promises 10.00 s; 4.")


@pytest.fixture(scope="module")
def small_limits():
    with Decoder(DecodeLimits(max_file_bytes=100_000, max_decoded_s=2.0)) as decoder:
        yield decoder


def test_a_large_file_is_refused_unread(refusal, small_limits):
    assert refusal(bytes(100_001), small_limits).code == "too_large"
    assert small_limits.child_pid is None


@pytest.mark.parametrize("kind", ["wav", "mp3", "opus", "m4a"])
def test_a_long_recording_is_refused(refusal, tmp_path, small_limits, kind):
    content = write(tmp_path / "a", tone(2.5, 16_000), 16_000, kind).read_bytes()
    assert refusal(content, small_limits).code == "too_long"


def test_a_length_that_is_not_promised_is_found_out_while_decoding(refusal, small_limits):
    content = riff(fmt(), chunk(b"data", pcm16(tone(2.5, 16_000)), 0))
    assert refusal(content, small_limits).code == "too_long"


def test_a_folder_is_no_recording(decoder, tmp_path):
    with pytest.raises(RejectedInput) as caught:
        decoder.decode(tmp_path, tmp_path / "target.flac")
    assert caught.value.code == "not_audio"


def test_an_ogg_page_that_promises_more_than_the_file_has_is_truncated(refusal, tmp_path):
    content = write(tmp_path / "a", tone(1.0, 48_000), 48_000, "opus").read_bytes()
    assert refusal(content[:-10]).detail == "The last page promises 10 bytes more than the file has."


def _first_block(script: Path, container: Container) -> np.ndarray:
    with script.open("rb") as file, closing(AvPcm(file, container)) as pcm:
        return next(pcm.blocks())


@pytest.mark.parametrize("container", [Container.WAV, Container.MP3, Container.OGG, Container.MP4, Container.FLAC])
def test_a_script_that_passes_the_sniffer_still_opens_no_other_file(tmp_path, container):
    secret = write(tmp_path / "secret.wav", tone(1.0, 44_100), 44_100, "wav")
    for script in (f"ffconcat version 1.0\nfile {secret}\n", f"#EXTM3U\n#EXTINF:1,\n{secret}\n"):
        path = tmp_path / "script.wav"
        path.write_text(script)
        with pytest.raises((RejectedInput, StopIteration)):
            _first_block(path, container)
