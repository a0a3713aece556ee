"""Voices made up for the tests of clustering."""

import numpy as np
import pytest

from services.clusterer.clustering.types import Anchor

# As GE2E's: rows of one voice have a cosine of .87, of two voices .54, and share a mean direction.
SHARED, WITHIN = 0.54, 0.87


class Voices:
    """Draws unit rows of so many voices; the first rows are those of the first voice."""

    def __init__(self, seed: int, dim: int = 64) -> None:
        self._rng = np.random.default_rng(seed)
        self._mean = np.abs(self._rng.normal(size=dim))
        self._mean *= np.sqrt(SHARED) / np.linalg.norm(self._mean)

    def rows(self, counts: list[int]) -> tuple[np.ndarray, np.ndarray]:
        dim, speakers = len(self._mean), np.repeat(np.arange(len(counts)), counts)
        voices = self._rng.normal(size=(len(counts), dim)) * np.sqrt((WITHIN - SHARED) / dim)
        noise = self._rng.normal(size=(len(speakers), dim)) * np.sqrt((1 - WITHIN) / dim)
        rows = self._mean + voices[speakers] + noise
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), speakers.astype(np.int64)


@pytest.fixture
def voices() -> Voices:
    return Voices(0)


@pytest.fixture
def anchor() -> Anchor:
    return Anchor(assign_cosine=0.84, min_duration_s=0.8)
