"""Covariances from few samples, drawn towards a multiple of the identity."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A covariance and how far it was drawn to its mean variance: 0 is the sample's own, 1 the identity's multiple."""

    covariance: Float64[np.ndarray, "dim dim"]
    intensity: float


def ledoit_wolf(deviations: Float64[np.ndarray, "rows dim"], n_free: int) -> Shrunk:
    """The covariance of deviations from `len(deviations) - n_free` means, with the least expected squared error.

    Source: Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices" (2004), with the
    degrees of freedom `n_free` in place of the number of rows, since rows of one group are not independent.
    """
    n_rows, dimension = deviations.shape
    sample = deviations.T @ deviations / n_free
    variance = float(np.trace(sample)) / dimension
    target = variance * np.eye(dimension)
    distance = float(((sample - target) ** 2).sum())
    energy = (deviations**2).sum(axis=1) * (n_rows / n_free)
    error = (float((energy**2).mean()) - float((sample**2).sum())) / n_free
    intensity = float(np.clip(error / distance, 0.0, 1.0)) if distance > 0 else 1.0
    return Shrunk((1 - intensity) * sample + intensity * target, intensity)
