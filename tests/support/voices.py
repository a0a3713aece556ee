"""Made-up voices: recordings whose samples say who speaks, and an encoder that reads it off them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from shared.encoders.protocol import EncoderSpec

N_VOICES = 8
_STEP = 0.1  # voice k speaks with samples of 0.1 (k + 1); 0 is nobody
SPEC = EncoderSpec("made_up", "1", "none", "share", 16_000, N_VOICES + 1, 0.8, "cosine", 0.84)


@dataclass(frozen=True)
class MadeUpEncoder:
    """A vector of how much each voice speaks in a clip, and what all voices have in common: cosine 0.5 between two."""

    spec: EncoderSpec = SPEC
    common: float = 1.0

    def embed(self, clips: Sequence[Float32[np.ndarray, " _samples"]]) -> Float32[np.ndarray, "clips dim"]:
        rows = np.stack([self._row(clip) for clip in clips])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def _row(self, clip: Float32[np.ndarray, " _samples"]) -> Float32[np.ndarray, " dim"]:
        speaker = np.rint(clip / _STEP).astype(int)
        shares = np.bincount(speaker[speaker > 0], minlength=N_VOICES + 1)[1:] / max(1, (speaker > 0).sum())
        return np.append(shares, self.common).astype(np.float32)


@dataclass(frozen=True)
class InMemory:
    """An AudioReader over samples that counts what it is asked for."""

    samples: Float32[np.ndarray, " samples"]

    @property
    def n_samples(self) -> int:
        return len(self.samples)

    @property
    def peak(self) -> float:
        return float(np.abs(self.samples).max(initial=0.0))

    def blocks(self, n_samples: int) -> Iterator[Float32[np.ndarray, " samples"]]:
        for start in range(0, self.n_samples, n_samples):
            yield self.samples[start : start + n_samples]

    def read(self, start_sample: int, end_sample: int) -> Float32[np.ndarray, " samples"]:
        return self.samples[start_sample:end_sample]


def spoken(*turns: tuple[int | None, float]) -> InMemory:
    """A recording of (voice, seconds) one after the other; None is nobody. Samples are never constant for long."""
    parts = [np.full(round(s * 16_000), 0.0 if k is None else _STEP * (k + 1), np.float32) for k, s in turns]
    samples = np.concatenate(parts)
    samples[::2] += np.where(samples[::2] > 0, 0.01, 0).astype(np.float32)
    return InMemory(samples)
