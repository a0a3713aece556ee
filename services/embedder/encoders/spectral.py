"""A speaker's average spectrum: numpy only, deterministic, quick to build. For tests and for machines without torch."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

import numpy as np
from jaxtyping import Float32

from services.embedder.encoders.mel import hann_window, mel_filterbank
from shared.encoders.protocol import Encoder, EncoderOptions, EncoderPlugin, EncoderSpec
from shared.units import SAMPLE_RATE_HZ
from shared.vectors import unit_rows

_N_MELS: Final = 32
_WINDOW: Final = 512  # samples, 32 ms
_HOP: Final = 256
_FRAMES_PER_BLOCK: Final = 4096  # 65 s: bounds the memory of a long clip
_POWER_FLOOR: Final = 1e-10  # below the noise of 16 bits
_SPREAD_FLOOR: Final = 1e-3  # keeps the vector of a perfectly flat, unchanging clip away from zero

SPEC: Final = EncoderSpec(
    name="spectral",
    revision="1",
    layer="log-mel-32",
    pooling="mean+std",
    sample_rate_hz=SAMPLE_RATE_HZ,
    dimension=2 * _N_MELS,
    min_duration_s=0.5,
    metric="cosine",
    assign_threshold=0.985,  # flite and espeak-ng voices: 0.99 within a voice, at most 0.98 across
)


class SpectralEncoder:
    """Mean and standard deviation over time of 32 log-mel bands, the overall level taken out of the mean."""

    spec: EncoderSpec = SPEC

    def embed(self, clips: Sequence[Float32[np.ndarray, " _samples"]]) -> Float32[np.ndarray, "clips dim"]:
        """One unit row of (32 means, 32 deviations) a clip; clips shorter than a frame are padded with zeros."""
        rows = np.empty((len(clips), SPEC.dimension), np.float32)
        for row, clip in zip(rows, clips, strict=True):
            bands = np.concatenate([_log_mel(block) for block in _blocks(clip)])  # (frames, mels)
            means = bands.mean(axis=0)
            row[:_N_MELS] = means - means.mean()
            row[_N_MELS:] = np.sqrt(bands.var(axis=0) + _SPREAD_FLOOR**2)
        return unit_rows(rows)


def _blocks(clip: Float32[np.ndarray, " samples"]) -> Iterator[Float32[np.ndarray, " _samples"]]:
    n_frames = max(1, 1 + (clip.size - _WINDOW) // _HOP)
    for first in range(0, n_frames, _FRAMES_PER_BLOCK):
        last = min(first + _FRAMES_PER_BLOCK, n_frames) - 1
        block = clip[first * _HOP : last * _HOP + _WINDOW]
        yield block if block.size >= _WINDOW else np.pad(block, (0, _WINDOW - block.size))


def _log_mel(block: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames mels"]:
    window, filters = _constants()
    frames = np.lib.stride_tricks.sliding_window_view(block, _WINDOW)[::_HOP]
    spectrum = np.fft.rfft(frames * window)
    power = spectrum.real**2 + spectrum.imag**2
    return np.asarray(np.log(power @ filters + _POWER_FLOOR), np.float32)


@cache
def _constants() -> tuple[Float32[np.ndarray, " window"], Float32[np.ndarray, "bins mels"]]:
    return hann_window(_WINDOW), np.ascontiguousarray(mel_filterbank(_N_MELS, _WINDOW, SAMPLE_RATE_HZ).T)


def _build(_options: EncoderOptions) -> Encoder:
    return SpectralEncoder()


plugin: Final = EncoderPlugin(SPEC, _build)
