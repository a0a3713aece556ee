"""Collections of made-up voices, and what a labeller named in them."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from services.clusterer.identification.calibration import Calibration, Enrolled
from services.clusterer.identification.fitting import before_labels
from shared.scoring.backend import Backend
from shared.scoring.learning import learn

DIM = 48
MIN_DURATION_S = 0.8


@dataclass(frozen=True)
class Voices:
    """Segments of several voices: the shorter, the further from their voice."""

    rows: np.ndarray  # of the encoder
    scored: np.ndarray
    who: np.ndarray
    durations_s: np.ndarray
    backend: Backend
    prior: Calibration

    def enrolled(self, speakers: list[int], n_each: int) -> Enrolled:
        """The first segments of these voices, labelled."""
        labelled = [np.flatnonzero(self.who == s)[:n_each] for s in speakers]
        return Enrolled(
            np.array([self.scored[rows].sum(axis=0) for rows in labelled]).reshape(-1, DIM),
            np.array([len(rows) for rows in labelled], np.int64),
            np.array([self.durations_s[rows].sum() for rows in labelled], np.float64),
        )


@cache
def make_voices(seed: int, n_voices: int = 30, n_each: int = 6) -> Voices:
    rng = np.random.default_rng(seed)
    who = np.arange(n_voices).repeat(n_each)
    durations_s = rng.uniform(0.4, 6.0, len(who))
    noise = rng.normal(size=(len(who), DIM)) * np.sqrt(1.0 / durations_s)[:, None]
    rows = 5 * np.eye(DIM)[0] + rng.normal(size=(n_voices, DIM))[who] + noise
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    backend = learn(rows, 0.9)
    scored = backend.scored(rows)
    prior = before_labels(scored, backend.n_voices, MIN_DURATION_S)
    return Voices(rows, scored, who, durations_s, backend, prior)


@pytest.fixture(scope="package")
def voices() -> Voices:
    return make_voices(0)
