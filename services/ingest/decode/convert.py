"""To mono at one rate, 16 bits, block by block: downmix, resample, quantise, measure."""

import math
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import soxr
from jaxtyping import Float32, Int16

from services.ingest.decode.errors import NonFiniteSamples, SamplesOutOfRange
from services.ingest.decode.facts import SILENCE_DB
from services.ingest.decode.limits import MAX_MAGNITUDE
from shared.units import SAMPLE_RATE_HZ

_FULL_SCALE: Final = 2**15
_CANCELLED: Final = 0.1  # of the power that independent channels keep in their mean


def check_samples(block: Float32[np.ndarray, "frames channels"]) -> None:
    """Raise NonFiniteSamples or SamplesOutOfRange if any sample is NaN, infinite or a thousand times full scale."""
    if float(np.vdot(block, block)) <= MAX_MAGNITUDE**2:  # as of any sound: no single sample can be larger
        return
    largest = max(float(block.max()), -float(block.min()))  # NaN and infinity come through
    if math.isnan(largest) or math.isinf(largest):
        raise NonFiniteSamples
    if largest > MAX_MAGNITUDE:
        raise SamplesOutOfRange(f"The largest sample is {largest:.3g} times full scale.")


class Downmix:
    """Channels to one: their mean, or one chosen channel.

    The mean goes over all channels alike, the quiet ones of a 5.1 mix included: what is said is often in the centre
    alone, 16 dB down in the mean, but nothing that is said anywhere is lost.
    """

    def __init__(self, channels: int, chosen: int | None = None) -> None:
        self._chosen = chosen
        self._weights = np.full(channels, 1 / channels, dtype=np.float32)
        self._channel_energy = np.zeros(channels)
        self._mean_energy = 0.0

    def mono(self, block: Float32[np.ndarray, "frames channels"]) -> Float32[np.ndarray, " frames"]:
        """One channel from all."""
        if block.shape[1] == 1:
            return block[:, 0]
        if self._chosen is not None:
            return np.ascontiguousarray(block[:, self._chosen])
        mean: Float32[np.ndarray, " frames"] = block @ self._weights
        self._channel_energy += [channel @ channel for channel in block.T]
        self._mean_energy += float(mean @ mean)
        return mean

    def louder_if_cancelled(self) -> int | None:
        """The loudest channel if the channels cancelled each other in the mean so far (L = -R), else None.

        Independent channels keep 1/n of their average power in the mean, equal ones all of it.
        """
        average = float(self._channel_energy.mean())
        if average == 0.0 or self._mean_energy >= _CANCELLED / len(self._weights) * average:
            return None
        return int(self._channel_energy.argmax())


class Resampler:
    """Any rate to 16 kHz, or another, by soxr at high quality, keeping its state from block to block."""

    def __init__(self, rate_hz: int, target_rate_hz: int = SAMPLE_RATE_HZ) -> None:
        self._stream = None if rate_hz == target_rate_hz else soxr.ResampleStream(rate_hz, target_rate_hz, 1)

    def push(self, mono: Float32[np.ndarray, " frames"]) -> Float32[np.ndarray, " samples"]:
        """The samples that are ready after this block."""
        if self._stream is None:
            return mono
        ready: Float32[np.ndarray, " samples"] = self._stream.resample_chunk(mono)
        return ready

    def end(self) -> Float32[np.ndarray, " samples"]:
        """The samples that were held back."""
        rest = np.zeros(0, dtype=np.float32)
        return rest if self._stream is None else self._stream.resample_chunk(rest, last=True)


def converted(
    blocks: Iterable[Float32[np.ndarray, "frames channels"]], downmix: Downmix, resampler: Resampler
) -> Iterator[Float32[np.ndarray, " samples"]]:
    """All blocks as one channel at the resampler's rate, in parts that may be empty."""
    for block in blocks:
        yield resampler.push(downmix.mono(block))
    yield resampler.end()


class Loudness:
    """Count, peak and mean power of mono audio."""

    def __init__(self) -> None:
        self.n_samples = 0
        self.peak = 0.0
        self._energy = 0.0

    def add(self, mono: Float32[np.ndarray, " samples"]) -> None:
        """Take a block into account."""
        if len(mono) == 0:
            return
        self.n_samples += len(mono)
        self.peak = max(self.peak, float(mono.max()), -float(mono.min()))
        self._energy += float(mono @ mono)

    @property
    def rms_db(self) -> float:
        """Root mean square relative to full scale, not below SILENCE_DB."""
        power = self._energy / max(1, self.n_samples)
        return max(SILENCE_DB, 10 * math.log10(power)) if power > 0 else SILENCE_DB


def quantise(mono: Float32[np.ndarray, " samples"]) -> tuple[Int16[np.ndarray, " samples"], bool]:
    """16-bit samples, and whether any had to be clipped. 16-bit audio comes through unchanged."""
    scaled = np.rint(mono * np.float32(_FULL_SCALE))
    clipped = np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1)
    beyond = np.abs(scaled - clipped).max(initial=0.0) > 1.0  # exactly 1.0 is full scale, not an excess
    return clipped.astype(np.int16), bool(beyond)
