"""From which cosine on two segments are one voice, as far as the encoder knows: a range, and its translation.

An encoder states at which cosine to a speaker's mean direction a segment is taken for that speaker's. Two segments at
that cosine `t` from the mean, each in a direction of its own, have the cosine `t * t`: below it nothing is one voice.
Two segments of which each could be the other's mean have the cosine `t`: above it everything is.
"""

from typing import Final

import numpy as np
from jaxtyping import Float64

from services.clusterer.clustering.types import Anchor

N_CUTS: Final = 17  # steps of one percent of the cosine at t = .84; odd, so that one lies in the middle


def possible(anchor: Anchor) -> Float64[np.ndarray, " cuts"]:
    """Cosines between unit rows that may part two voices, rising from `t * t` to `t` by equal factors."""
    return np.asarray(anchor.assign_cosine ** np.linspace(2, 1, N_CUTS), np.float64)


def middle(anchor: Anchor) -> float:
    """The cosine that parts two voices when nothing else is known."""
    return float(anchor.assign_cosine**1.5)


def centred_cosine(cosine: float, mean: Float64[np.ndarray, " dim"]) -> float:
    """What a cosine between unit rows becomes when their mean is taken away, for rows typical of that mean.

    With `x.m = |m|**2` for both rows, `(x - m).(y - m) = x.y - |m|**2` and `|x - m|**2 = 1 - |m|**2`.
    """
    shared = float(mean @ mean)
    return (cosine - shared) / max(1e-6, 1 - shared)


def possible_centred(anchor: Anchor, mean: Float64[np.ndarray, " dim"]) -> Float64[np.ndarray, " cuts"]:
    """The possible cosines as they are after the mean is taken away."""
    return np.array([centred_cosine(float(cosine), mean) for cosine in possible(anchor)])
