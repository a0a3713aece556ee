"""Every format that Earmark reads comes out as 16 kHz mono with its duration and its sound."""

import io
import wave

import numpy as np
import pytest
import soundfile

from services.ingest.decode.facts import SILENCE_DB, DecodedFacts
from tests.support import audio
from tests.support.audio import chunk, fmt, id3, loudest_hz, pcm16, riff, tone, write

_LOSSY_S = {"mp3": 0.03, "vorbis": 0.001, "opus": 0.001, "m4a": 0.065}  # AAC ends with a whole frame of 1,024 samples

_WAV_CODECS = (
    *("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW"),
    *("IMA_ADPCM", "MS_ADPCM", "GSM610", "G721_32"),
)


@pytest.fixture
def decode(decoder, tmp_path):
    """Decode and return the facts with the audio that later steps will see."""

    def decode(source) -> tuple[DecodedFacts, np.ndarray]:
        target = tmp_path / "target.flac"
        facts = decoder.decode(source, target)
        samples, rate_hz = soundfile.read(target, dtype="float32")
        assert rate_hz == 16_000
        assert samples.shape == (facts.n_samples,)
        assert facts.duration_s == facts.n_samples / 16_000
        return facts, samples

    return decode


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", audio.KINDS)
def test_every_format_keeps_its_duration_and_its_tone(decode, tmp_path, kind, channels, rate_hz):
    samples = np.repeat(tone(2.0, rate_hz)[:, None], channels, axis=1)
    facts, decoded = decode(write(tmp_path / "a", samples, rate_hz, kind))
    assert facts.duration_s == pytest.approx(2.0, abs=_LOSSY_S.get(kind, 0.0))
    assert facts.original_channels == channels
    assert facts.original_sample_rate_hz == (48_000 if kind == "opus" else rate_hz)
    assert loudest_hz(decoded) == pytest.approx(440, abs=1)
    assert facts.rms_db == pytest.approx(-9.03, abs=0.2)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 96_000, 192_000])
def test_every_rate_keeps_its_duration_and_its_tone(decode, tmp_path, rate_hz):
    facts, decoded = decode(write(tmp_path / "a", tone(2.0, rate_hz), rate_hz, "wav"))
    assert facts.n_samples == 32_000
    assert loudest_hz(decoded) == pytest.approx(440, abs=1)


@pytest.mark.parametrize("rate_hz", [24_000, 44_100])
@pytest.mark.parametrize("original_hz", [16_000, 44_100, 48_000])
def test_another_rate_is_written_up_or_down_and_holds_what_the_original_held(decoder, tmp_path, original_hz, rate_hz):
    source = write(tmp_path / "a", tone(2.0, original_hz, hz=7_000), original_hz, "flac")
    facts = decoder.decode(source, tmp_path / "target.flac", rate_hz)
    samples, written_hz = soundfile.read(tmp_path / "target.flac", dtype="float32")
    assert written_hz == rate_hz
    assert facts.n_samples == len(samples) == 2 * rate_hz
    assert facts.duration_s == 2.0
    assert loudest_hz(samples, rate_hz) == pytest.approx(7_000, abs=1)


def test_what_16_khz_cannot_hold_is_filtered_out_and_not_folded_down(decode, tmp_path):
    facts, _ = decode(write(tmp_path / "a", tone(1.0, 48_000, hz=11_000), 48_000, "wav"))
    assert facts.rms_db < -60


@pytest.mark.parametrize("codec", _WAV_CODECS)
def test_every_wav_codec_is_read(decode, tmp_path, codec):
    soundfile.write(tmp_path / "a", tone(2.0, 16_000), 16_000, format="WAV", subtype=codec)
    facts, decoded = decode(tmp_path / "a")
    assert facts.codec == codec.lower()
    assert facts.duration_s == pytest.approx(2.0, abs=0.1)
    assert loudest_hz(decoded) == pytest.approx(440, abs=1)


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_16_khz_mono_comes_out_sample_for_sample(decode, tmp_path, kind):
    original = write(tmp_path / "a", tone(1.0, 16_000), 16_000, kind)
    facts, decoded = decode(original)
    assert np.array_equal(decoded, soundfile.read(original, dtype="float32")[0])
    assert facts.peak == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("length", [0, 0xFFFF_FFFF, 0x7FFF_F000])
def test_what_a_streaming_writer_left_is_taken_whole(decode, tmp_path, length):
    sound = pcm16(tone(1.0, 16_000))
    (tmp_path / "a").write_bytes(riff(fmt(), chunk(b"data", sound, length), length=length))
    _, decoded = decode(tmp_path / "a")
    assert np.array_equal(np.rint(decoded * 32768).astype("<i2"), np.frombuffer(sound, "<i2"))


@pytest.mark.parametrize("length", [0, 4, 0xFFFF_FFFF])
def test_the_length_that_riff_claims_does_not_matter(decode, tmp_path, length):
    (tmp_path / "a").write_bytes(riff(fmt(), chunk(b"data", pcm16(tone(1.0, 16_000))), length=length))
    assert decode(tmp_path / "a")[0].n_samples == 16_000


@pytest.mark.parametrize("magic", [b"RF64", b"BW64"])
def test_wav_of_64_bit_lengths_is_read(decode, tmp_path, magic):
    sound = pcm16(tone(1.0, 16_000))
    ds64 = chunk(b"ds64", (len(sound) + 80).to_bytes(8, "little") + len(sound).to_bytes(8, "little") + bytes(12))
    content = riff(ds64, fmt(), chunk(b"data", sound, 0xFFFF_FFFF), length=0xFFFF_FFFF, magic=magic)
    (tmp_path / "a").write_bytes(content)
    facts, _ = decode(tmp_path / "a")
    assert facts.n_samples == 16_000


def test_bytes_behind_the_data_are_noted(decode, tmp_path):
    sound = pcm16(tone(1.0, 16_000))
    (tmp_path / "a").write_bytes(riff(fmt(), chunk(b"data", sound, 8_000)))
    facts, _ = decode(tmp_path / "a")
    assert (facts.n_samples, facts.notes) == (4_000, ("bytes_after_data",))


@pytest.mark.parametrize("kind", ["mp3", "flac"])
def test_a_long_id3_tag_is_no_obstacle(decode, tmp_path, kind):
    inner = write(tmp_path / "inner", tone(1.0, 16_000), 16_000, kind).read_bytes()
    (tmp_path / "a").write_bytes(id3(3_000_000) + inner)
    facts, _ = decode(tmp_path / "a")
    assert facts.duration_s == pytest.approx(1.0, abs=0.05)


def test_fifty_megabytes_of_id3_are_no_obstacle(decode, tmp_path):
    inner = write(tmp_path / "inner", tone(1.0, 16_000), 16_000, "mp3").read_bytes()
    (tmp_path / "a").write_bytes(id3(50_000_000) + inner)
    assert decode(tmp_path / "a")[0].container == "mp3"


def test_flac_that_does_not_state_its_length_is_read(decode, tmp_path):
    content = bytearray(write(tmp_path / "a", tone(1.0, 16_000), 16_000, "flac").read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    (tmp_path / "a").write_bytes(content)
    facts, _ = decode(tmp_path / "a")
    assert facts.n_samples == 16_000


@pytest.mark.parametrize("index_first", [True, False])
def test_m4a_is_read_with_its_index_at_either_end(decode, tmp_path, index_first):
    audio.write_m4a(tmp_path / "a", tone(2.0, 44_100), 44_100, index_first=index_first)
    facts, _ = decode(tmp_path / "a")
    assert (facts.container, facts.codec) == ("mp4", "aac")
    assert facts.duration_s == pytest.approx(2.0, abs=0.03)


@pytest.mark.parametrize("kind", ["vorbis", "opus"])
def test_all_links_of_a_chained_ogg_are_read(decode, tmp_path, kind):
    first = write(tmp_path / "1", tone(1.0, 48_000), 48_000, kind).read_bytes()
    second = write(tmp_path / "2", tone(2.0, 48_000, hz=880), 48_000, kind).read_bytes()
    (tmp_path / "a").write_bytes(first + second)
    facts, decoded = decode(tmp_path / "a")
    assert facts.duration_s == pytest.approx(3.0, abs=0.05)
    assert "chained" in facts.notes
    assert loudest_hz(decoded[24_000:40_000]) == pytest.approx(880, abs=2)


def test_a_surround_mix_becomes_the_mean_of_its_channels(decode, tmp_path):
    samples = np.zeros((44_100, 6), dtype=np.float32)
    samples[:, 2] = tone(1.0, 44_100, amplitude=0.6)  # speech sits in the centre
    facts, decoded = decode(write(tmp_path / "a", samples, 44_100, "wav"))
    assert facts.original_channels == 6
    assert np.abs(decoded).max() == pytest.approx(0.1, abs=0.005)
    assert facts.notes == ()


def test_stereo_that_cancels_itself_keeps_its_louder_channel(decode, tmp_path):
    left = tone(1.0, 44_100, amplitude=0.5)
    samples = np.stack([0.9 * left, -left], axis=1)
    facts, decoded = decode(write(tmp_path / "a", samples, 44_100, "wav"))
    assert facts.notes == ("phase_cancelling_downmix",)
    assert np.abs(decoded).max() == pytest.approx(0.5, abs=0.01)


def test_independent_channels_are_not_taken_for_cancelling(decode, tmp_path, rng):
    samples = (0.1 * rng.standard_normal((44_100, 2))).astype(np.float32)
    assert decode(write(tmp_path / "a", samples, 44_100, "wav"))[0].notes == ()


def test_floats_beyond_full_scale_are_clipped_and_noted(decode, tmp_path):
    soundfile.write(tmp_path / "a", tone(1.0, 16_000, amplitude=1.5), 16_000, format="WAV", subtype="FLOAT")
    facts, decoded = decode(tmp_path / "a")
    assert facts.notes == ("clipped",)
    assert facts.peak == 1.0
    assert np.abs(decoded).max() == 1.0


def test_a_float_file_at_full_scale_is_not_called_clipped(decode, tmp_path):
    soundfile.write(tmp_path / "a", np.ones(1600, dtype=np.float32), 16_000, format="WAV", subtype="FLOAT")
    assert decode(tmp_path / "a")[0].notes == ()


@pytest.mark.parametrize("n_samples", [1, 2, 160, 320])
def test_the_shortest_recordings_count_every_sample(decode, tmp_path, n_samples):
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setparams((1, 2, 16_000, 0, "NONE", ""))
        writer.writeframes(b"\x00\x10" * n_samples)
    (tmp_path / "a").write_bytes(buffer.getvalue())
    assert decode(tmp_path / "a")[0].n_samples == n_samples


def test_twenty_milliseconds_at_48_khz_stay_twenty_milliseconds(decode, tmp_path):
    assert decode(write(tmp_path / "a", tone(0.02, 48_000), 48_000, "wav"))[0].n_samples == 320


def test_digital_silence_has_peak_zero_and_the_floor_of_levels(decode, tmp_path):
    facts, _ = decode(write(tmp_path / "a", np.zeros(16_000, dtype=np.float32), 16_000, "flac"))
    assert (facts.peak, facts.rms_db) == (0.0, SILENCE_DB)


def test_a_minute_of_digital_silence_is_no_bomb(decode, tmp_path):
    facts, _ = decode(write(tmp_path / "a", np.zeros(60 * 16_000, dtype=np.float32), 16_000, "flac"))
    assert facts.duration_s == 60.0


@pytest.mark.parametrize("kind", audio.KINDS)
def test_names_may_be_anything_a_file_system_takes(decode, tmp_path, kind):
    path = tmp_path / "ab\n\"'; rm -rf \u202e \udcff.png"
    write(tmp_path / "plain", tone(0.1, 48_000), 48_000, kind).rename(path)
    assert decode(path)[0].duration_s == pytest.approx(0.1, abs=0.05)
