"""Decoding to 16 kHz mono: the steps of the decoding child against `librosa.load`; both leave samples in memory.

Ours come with the child's checks of every sample. Beside them stands the whole way of a file: by a confined child that
runs already (it serves 500 files) into a FLAC file, while librosa writes nothing. Seconds of the processor, the
child's included; each side runs on one thread.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import librosa
import numpy as np
import soundfile
import soxr

from benchmarks.report import Comparison
from services.ingest.decode.convert import Downmix, Resampler, check_samples, converted
from services.ingest.decode.headers.dispatch import read_promise
from services.ingest.decode.limits import DecodeLimits
from services.ingest.decode.pcm import PcmSource, open_pcm
from services.ingest.decode.sandbox import Decoder
from services.ingest.sniff import sniff_file
from shared.units import SAMPLE_RATE_HZ
from tests.support import audio

DURATION_S, ROUNDS = 60, 25
SAME = 0.99  # least correlation of both sides' samples


@dataclass(frozen=True)
class Format:
    """A kind of file, and how much faster than the peer it is meant to be decoded."""

    kind: str
    sample_rate_hz: int
    wanted: float
    peer: str = "librosa.load"


FORMATS = (
    Format("wav", 44_100, 1.5),
    Format("flac", 44_100, 1.5),
    Format("mp3", 44_100, 1.2),
    Format("opus", 48_000, 2, "librosa.load, which reads Opus by soundfile"),
)


def run() -> Iterator[Comparison]:
    """Two comparisons a format."""
    mono = audio.voice(DURATION_S, np.random.default_rng(0))
    with tempfile.TemporaryDirectory() as folder, Decoder(DecodeLimits()) as decoder:
        for form in FORMATS:
            path = Path(folder) / f"speech.{form.kind}"
            audio.write(path, stereo(mono, form.sample_rate_hz), form.sample_rate_hz, form.kind)
            yield from _compared(form, path, decoder)


def stereo(mono: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """(frames, 2) at that rate: one voice, heard by two microphones that hiss."""
    voice = soxr.resample(mono, SAMPLE_RATE_HZ, sample_rate_hz)
    return (voice[:, None] + np.random.default_rng(1).normal(0, 0.001, (len(voice), 2))).astype(np.float32)


def by_steps(path: Path) -> np.ndarray:
    """What the child does of a file, but for measuring and writing the result."""
    with path.open("rb") as handle:
        sniffed = sniff_file(handle)
        promise = read_promise(sniffed.container, handle, sniffed.start, path.stat().st_size)
        with closing(open_pcm(path, handle, sniffed.container, promise)) as pcm:
            resampler = Resampler(pcm.sample_rate_hz)
            return np.concatenate(list(converted(_checked(pcm), Downmix(pcm.channels), resampler)))


def by_librosa(path: Path) -> np.ndarray:
    """The peer."""
    return librosa.load(path, sr=SAMPLE_RATE_HZ)[0]


def _checked(pcm: PcmSource) -> Iterator[np.ndarray]:
    for block in pcm.blocks():
        check_samples(block)
        yield block


def _compared(form: Format, path: Path, decoder: Decoder) -> Iterator[Comparison]:
    target = path.with_suffix(".16k.flac")
    decoder.decode(path, target)  # starts the child
    expected = by_librosa(path)
    for made in (by_steps(path), soundfile.read(target, dtype="float32")[0]):
        _assert_same(made, expected)
    name = f"{form.kind}, stereo at {form.sample_rate_hz} Hz, {DURATION_S} s, to 16 kHz mono"
    took = _alternating(decoder, lambda: by_steps(path), lambda: by_librosa(path))
    yield Comparison(name, form.peer, "cpu-ms", *took, form.wanted)
    took = _alternating(decoder, lambda: decoder.decode(path, target), lambda: by_librosa(path))
    yield Comparison(f"{name}, as FLAC by the confined child", form.peer, "cpu-ms", *took)


def _assert_same(made: np.ndarray, expected: np.ndarray) -> None:
    """Sample for sample, without any shift."""
    assert len(made) == len(expected), (len(made), len(expected))
    assert np.corrcoef(made, expected)[0, 1] > SAME


def _alternating(
    decoder: Decoder, ours: Callable[[], object], theirs: Callable[[], object]
) -> tuple[list[float], list[float]]:
    took = [(_cpu_ms(decoder, ours), _cpu_ms(decoder, theirs)) for _ in range(ROUNDS)]
    return [mine for mine, _ in took], [other for _, other in took]


def _cpu_ms(decoder: Decoder, work: Callable[[], object]) -> float:
    """What this process and the child spend on it; the child has one thread."""

    def spent_ms() -> float:
        on_cpu_ns = int(Path(f"/proc/{decoder.child_pid}/schedstat").read_text().split()[0])
        return 1e3 * process_time() + 1e-6 * on_cpu_ns

    before_ms = spent_ms()
    work()
    return spent_ms() - before_ms
