"""Segments of a long MP3: the embedder's reader, which opens a recording once and reads forwards, against reopening it.

In the product encoders read the FLAC of 16 kHz that ingest has made of the MP3, once for all of them. Then both sides
read the MP3 itself, at its own rate. Last, making the FLAC counts as ours, too: all ten minutes, in which speech is
found first, against the quarter that is wanted. Seconds of the processor.
"""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import process_time
from types import SimpleNamespace
from uuid import uuid4

import librosa
import numpy as np
import soundfile
import soxr

from benchmarks.report import Comparison
from services.embedder.reading import clips
from services.ingest.decode.decoding import decode_file
from services.ingest.decode.limits import DecodeLimits
from shared.storage.recordings import AudioSource
from shared.storage.segments import SegmentSpan
from shared.units import SAMPLE_RATE_HZ, samples
from tests.support import audio

N_SEGMENTS, SEGMENT_S, EVERY_S = 50, 3.0, 12.0
MP3_RATE_HZ = 44_100
ROUNDS = 7
SAME = 0.99  # least correlation of both sides' clips
STARTS_S = [EVERY_S * n for n in range(N_SEGMENTS)]


def run() -> Iterator[Comparison]:
    """Three comparisons."""
    with tempfile.TemporaryDirectory() as folder:
        mp3, flac = Path(folder) / "talk.mp3", Path(folder) / "talk.flac"
        audio.write(mp3, _talk(), MP3_RATE_HZ, "mp3")
        name = f"{N_SEGMENTS} segments of {SEGMENT_S:g} s from an MP3 of {N_SEGMENTS * EVERY_S / 60:g} min"
        decode_file(mp3, flac, DecodeLimits())
        took = _alternating(lambda: _read(flac, SAMPLE_RATE_HZ), lambda: _by_librosa(mp3))
        yield Comparison(f"{name}, read from the FLAC", "librosa.load of each", "cpu-s", *took, 2)
        took = _alternating(lambda: _read(mp3, MP3_RATE_HZ), lambda: _by_soundfile(mp3))
        yield Comparison(f"{name}, read from the MP3", "soundfile.read of each", "cpu-s", *took, 2)
        took = _alternating(lambda: _decoded_and_read(mp3, flac), lambda: _by_librosa(mp3))
        yield Comparison(f"{name}, all of it decoded and then read", "librosa.load of each", "cpu-s", *took)


def _talk() -> np.ndarray:
    """(frames, ): a voice that goes on and on, hissing so that no two segments are the same."""
    voice = soxr.resample(audio.voice(60, np.random.default_rng(0)), SAMPLE_RATE_HZ, MP3_RATE_HZ)
    n_frames = samples(N_SEGMENTS * EVERY_S, MP3_RATE_HZ)
    return (np.resize(voice, n_frames) + np.random.default_rng(1).normal(0, 0.001, n_frames)).astype(np.float32)


def _decoded_and_read(mp3: Path, flac: Path) -> list[np.ndarray]:
    decode_file(mp3, flac, DecodeLimits())
    return _read(flac, SAMPLE_RATE_HZ)


def _read(path: Path, rate_hz: int) -> list[np.ndarray]:
    """By the embedder's reader, from a file that has been downloaded."""
    recording_id = uuid4()
    bounds = [(samples(start_s), samples(start_s + SEGMENT_S)) for start_s in STARTS_S]
    spans = [SegmentSpan(uuid4(), recording_id, "bench", *bound) for bound in bounds]
    source = AudioSource(recording_id, spans[-1].end_sample, 1.0, "", None, "", rate_hz)
    with ThreadPoolExecutor(1) as fetching:
        embedder = SimpleNamespace(fetching=fetching, blobs=SimpleNamespace(path=lambda _: path))
        return [clip.samples for clip in clips(spans, {recording_id: source}, embedder, rate_hz)]


def _by_librosa(mp3: Path) -> list[np.ndarray]:
    return [librosa.load(mp3, sr=SAMPLE_RATE_HZ, offset=at, duration=SEGMENT_S)[0] for at in STARTS_S]


def _by_soundfile(mp3: Path) -> list[np.ndarray]:
    n_frames = samples(SEGMENT_S, MP3_RATE_HZ)
    starts = [samples(at, MP3_RATE_HZ) for at in STARTS_S]
    return [soundfile.read(mp3, n_frames, start, dtype="float32")[0] for start in starts]


def _alternating(
    ours: Callable[[], list[np.ndarray]], theirs: Callable[[], list[np.ndarray]]
) -> tuple[list[float], list[float]]:
    """Seconds of both, which must make the same of each segment."""
    for mine, other in zip(ours(), theirs(), strict=True):
        assert len(mine) == len(other), (len(mine), len(other))
        assert np.corrcoef(mine, other)[0, 1] > SAME
    took = [(_cpu_s(ours), _cpu_s(theirs)) for _ in range(ROUNDS)]
    return [mine for mine, _ in took], [other for _, other in took]


def _cpu_s(work: Callable[[], object]) -> float:
    began = process_time()
    work()
    return process_time() - began
