"""Samples through FFmpeg: of every type, over many blocks, each channel in its place."""

from contextlib import closing

import av
import numpy as np
import pytest
import soundfile

from services.ingest.decode.pcm import BLOCK_SAMPLES
from services.ingest.decode.pcm_av import AvPcm
from services.ingest.sniff import Container
from tests.support.audio import loudest_hz, tone, write


def blocks_of(path, container: Container) -> list[np.ndarray]:
    with path.open("rb") as handle, closing(AvPcm(handle, container)) as pcm:
        return list(pcm.blocks())


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_ffmpeg_reads_the_samples_that_libsndfile_reads(rng, tmp_path, subtype, channels):
    path = tmp_path / "a.wav"
    soundfile.write(path, rng.uniform(-1, 1, (BLOCK_SAMPLES // channels + 5_001, channels)), 44_100, subtype)
    expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
    blocks = blocks_of(path, Container.WAV)
    assert len(blocks) == 2
    assert max(block.size for block in blocks) <= BLOCK_SAMPLES
    np.testing.assert_array_equal(np.concatenate(blocks), expected)


def test_channels_that_a_codec_keeps_apart_stay_in_their_order(tmp_path):
    samples = np.stack([tone(5.0, 48_000, hz=440), tone(5.0, 48_000, hz=880)], axis=1)
    path = write(tmp_path / "a.opus", samples, 48_000, "opus")
    decoded = np.concatenate(blocks_of(path, Container.OGG))
    assert [loudest_hz(channel, 48_000) for channel in decoded.T] == pytest.approx([440, 880], abs=1)


def test_all_eight_channels_of_surround_sound_are_read(rng, tmp_path):
    path = tmp_path / "a.m4a"
    with av.open(path, "w", format="mp4") as file:
        stream = file.add_stream("aac", rate=48_000, layout="7.1")
        for start in range(0, 48_000, 1024):  # interleaved: of planes PyAV counts one too many when writing, too
            samples = (rng.normal(0, 0.1, (1, 8 * 1024)) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="7.1")
            frame.sample_rate, frame.pts = 48_000, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    decoded = np.concatenate(blocks_of(path, Container.MP4))
    assert decoded.shape[1] == 8
    assert decoded.std(axis=0)[[0, 1, 2, 4, 5, 6, 7]].min() > 0.01, "each but the one for the bass"
