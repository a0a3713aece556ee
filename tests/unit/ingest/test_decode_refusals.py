"""Every bad file is refused with its own code, and leaves no target behind."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from services.ingest.decode.limits import DecodeLimits
from services.ingest.decode.pcm_av import AvPcm
from services.ingest.decode.sandbox import Decoder
from services.ingest.sniff import Container
from shared.errors import RejectedInput
from tests.support import audio
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
_DS64 = chunk(b"ds64", bytes(8) + (2 * len(_SOUND)).to_bytes(8, "little") + bytes(12))


def _wav(form: bytes = fmt(), sound: bytes = _SOUND) -> bytes:
    return riff(form, chunk(b"data", sound))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not_audio"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "not_audio"),
        (b"#EXTM3U\n/etc/hostname\n", "not_audio"),
        (b"FORM\x00\x00\x00\x00AIFFCOMM", "unsupported_container"),
        (riff(fmt(), chunk(b"data", b"")), "zero_length"),
        (riff(fmt(), chunk(b"data", b""), chunk(b"LIST", b"INFO")), "zero_length"),
        (riff(fmt()), "corrupt"),
        (riff(chunk(b"data", _SOUND)), "corrupt"),
        (riff(chunk(b"data", _SOUND), fmt()), "corrupt"),
        (riff(fmt(), fmt(), chunk(b"data", _SOUND)), "corrupt"),
        (riff(fmt()[:16], chunk(b"data", _SOUND)), "corrupt"),
        (riff(*[chunk(b"junk", b"")] * 20_000, fmt(), chunk(b"data", _SOUND)), "corrupt"),
        (_wav(fmt(channels=0)), "corrupt"),
        (_wav(fmt(channels=255, align=510)), "too_many_channels"),
        (_wav(fmt(channels=65_535, align=65_534)), "corrupt"),
        (_wav(fmt(rate_hz=0)), "bad_sample_rate"),
        (_wav(fmt(rate_hz=1)), "bad_sample_rate"),
        (_wav(fmt(rate_hz=2**31)), "bad_sample_rate"),
        (_wav(fmt(align=0)), "corrupt"),
        (_wav(fmt(align=0, bits=0)), "corrupt"),
        (_wav(fmt(align=4)), "corrupt"),
        (_wav(fmt(tag=0x7777)), "unsupported_codec"),
        (riff(fmt(), chunk(b"data", _SOUND, 2 * len(_SOUND))), "truncated"),
        (riff(_DS64, fmt(), chunk(b"data", _SOUND, 0xFFFF_FFFF), magic=b"RF64"), "truncated"),
        (b"fLaC" + bytes(3), "corrupt"),
        (b"OggS" + bytes(3), "truncated"),
        (b"\x00\x00\x00\x18ftypM4A " + bytes(12), "truncated"),
    ],
)
def test_a_bad_header_is_refused_with_its_code(refusal, content, code):
    refused = refusal(content)
    assert refused.code == code
    assert refused.sentence()


@pytest.mark.parametrize("share", [0.35, 0.7])
@pytest.mark.parametrize("kind", audio.KINDS)
def test_half_an_upload_is_refused_as_truncated(refusal, tmp_path, rng, kind, share):
    noise = (0.1 * rng.standard_normal(2 * 48_000)).astype(np.float32)
    whole = write(tmp_path / "whole", noise, 48_000, kind).read_bytes()
    assert refusal(whole[: int(share * len(whole))]).code == "truncated"


@pytest.mark.parametrize("index_first", [True, False])
def test_half_an_m4a_is_refused_wherever_its_index_is(refusal, tmp_path, index_first):
    whole = audio.write_m4a(tmp_path / "whole", tone(2.0, 44_100), 44_100, index_first=index_first).read_bytes()
    assert refusal(whole[: len(whole) * 2 // 3]).code == "truncated"


def test_the_refusal_of_half_a_wav_says_how_much_is_there(refusal):
    assert "32,000 bytes; 12,000 are there" in refusal(_wav()[: 44 + 12_000]).detail


def test_the_refusal_of_half_a_flac_says_how_much_is_there(refusal, tmp_path, rng):
    noise = (0.1 * rng.standard_normal(10 * 16_000)).astype(np.float32)
    whole = write(tmp_path / "whole", noise, 16_000, "flac").read_bytes()
    assert refusal(whole[: len(whole) // 2]).detail.startswith("The header promises 10.00 s; 4.")


@pytest.mark.parametrize("kind", ["flac", "vorbis"])
def test_damage_within_a_checksummed_stream_is_refused_as_corrupt(refusal, tmp_path, rng, kind):
    noise = (0.1 * rng.standard_normal(5 * 48_000)).astype(np.float32)
    content = bytearray(write(tmp_path / "whole", noise, 48_000, kind).read_bytes())
    for place in range(len(content) // 2, len(content) // 2 + 20_000, 50):
        content[place] ^= 0xFF
    assert refusal(bytes(content)).code == "corrupt"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_no_number_refuses_the_file(refusal, tmp_path, value):
    samples = tone(1.0, 44_100)
    samples[30_000] = value
    soundfile.write(tmp_path / "a", samples, 44_100, format="WAV", subtype="FLOAT")
    assert refusal((tmp_path / "a").read_bytes()).code == "non_finite_samples"


@pytest.mark.parametrize("value", [1e30, -1e4])
def test_a_sample_beyond_all_measure_refuses_the_file(refusal, tmp_path, value):
    samples = tone(1.0, 16_000)
    samples[100] = value
    soundfile.write(tmp_path / "a", samples, 16_000, format="WAV", subtype="FLOAT")
    assert refusal((tmp_path / "a").read_bytes()).code == "samples_out_of_range"


def test_a_film_without_sound_has_no_audio_stream(refusal, tmp_path):
    assert refusal(audio.write_video(tmp_path / "film").read_bytes()).code == "no_audio_stream"


def test_one_sample_at_96_khz_makes_none_at_16(refusal, tmp_path):
    assert refusal(write(tmp_path / "a", tone(1 / 96_000, 96_000), 96_000, "wav").read_bytes()).code == "zero_length"


def test_chained_links_of_different_rates_are_refused(refusal, tmp_path):
    links = (write(tmp_path / str(rate_hz), tone(1.0, rate_hz), rate_hz, "vorbis") for rate_hz in (16_000, 44_100))
    assert refusal(b"".join(link.read_bytes() for link in links)).code in {"format_changes", "corrupt"}


def test_a_flac_bomb_is_refused_before_it_is_unpacked(refusal, tmp_path):
    constant = np.full(600 * 16_000, 0.25, dtype=np.float32)
    assert refusal(write(tmp_path / "a", constant, 16_000, "flac").read_bytes()).code == "expansion"


def test_a_long_digital_silence_is_no_bomb(tmp_path):
    silence = write(tmp_path / "a", np.zeros(600 * 16_000, dtype=np.float32), 16_000, "flac")
    with Decoder(DecodeLimits()) as decoder:
        facts = decoder.decode(silence, tmp_path / "b")
    assert (facts.duration_s, facts.peak) == (600.0, 0.0)


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
