"""Ranges of bytes, and segments as WAV files that can be read from any byte on."""

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from services.console.ranges import ByteRange, Unsatisfiable, parse
from services.console.wav import WavSpan, size_bytes


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=10-999", (10, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("Bytes = 99-", (99, 100)),
    ],
)
def test_one_range_is_understood(header, expected):
    assert parse(header, 100) == ByteRange(*expected)


@pytest.mark.parametrize(
    "header", [None, "", "bytes=", "bytes=-", "bytes=5-4", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b"]
)
def test_what_is_no_single_range_is_answered_in_full(header):
    assert parse(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_behind_the_end_cannot_be_satisfied(header):
    with pytest.raises(Unsatisfiable):
        parse(header, 100)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Two seconds of noise at full scale, extremes included."""
    pcm = np.random.default_rng(7).integers(-32768, 32768, 32_000, dtype=np.int16)
    pcm[:2] = -32768, 32767
    path = tmp_path_factory.mktemp("audio") / "recording.flac"
    soundfile.write(path, pcm, 16_000, subtype="PCM_16")
    return path, pcm


def whole(span: WavSpan) -> bytes:
    return b"".join(span.read(ByteRange(0, size_bytes(span.end_sample - span.start_sample))))


def test_a_segment_is_cut_to_the_sample_and_bit_by_bit(recording):
    path, pcm = recording
    wav = whole(WavSpan(soundfile.SoundFile(path), 0, 5000))
    assert len(wav) == size_bytes(5000)
    cut, rate_hz = soundfile.read(io.BytesIO(wav), dtype="int16")
    assert rate_hz == 16_000
    np.testing.assert_array_equal(cut, pcm[:5000])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_range_equals_that_part_of_the_whole(recording, data):
    path, _ = recording
    start = data.draw(st.integers(0, 31_000))
    end = data.draw(st.integers(start + 1, 32_000))
    first = data.draw(st.integers(0, size_bytes(end - start) - 1))
    last = data.draw(st.integers(first, size_bytes(end - start) - 1))
    full = whole(WavSpan(soundfile.SoundFile(path), start, end))
    part = b"".join(WavSpan(soundfile.SoundFile(path), start, end).read(ByteRange(first, last + 1)))
    assert part == full[first : last + 1]


def test_what_the_file_lacks_is_silence_of_the_promised_length(recording):
    path, pcm = recording
    wav = whole(WavSpan(soundfile.SoundFile(path), 31_000, 33_000))
    cut, _ = soundfile.read(io.BytesIO(wav), dtype="int16")
    np.testing.assert_array_equal(cut, np.concatenate([pcm[31_000:], np.zeros(1000, np.int16)]))


def test_a_float_recording_is_not_turned_into_silence(tmp_path):
    path = tmp_path / "float.wav"
    soundfile.write(path, np.full(100, 0.5), 16_000, subtype="FLOAT")
    cut, _ = soundfile.read(io.BytesIO(whole(WavSpan(soundfile.SoundFile(path), 0, 100))), dtype="int16")
    assert set(cut) == {16_384}
