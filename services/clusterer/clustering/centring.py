"""What all voices of a collection share, and rows without it.

Room, microphone and language are in every row and say nothing about who speaks. Their mean over segments is no good
estimate where one speaker dominates: it is that speaker. The mean over voices is, so voices and mean are found in turn.
"""

from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int64

from services.clusterer.clustering.groups import sizes, sums, without_singles
from services.clusterer.clustering.linkage import average_linkage, cut
from services.clusterer.clustering.neighbours import neighbours
from services.clusterer.clustering.scale import centred_cosine

NEIGHBOURS: Final = 16  # twice those from which on average linkage over the graph equals the full one on real speech
_ROUNDS: Final = 8  # in turn; real sets settle within four
_NO_DIRECTION: Final = 1e-6  # float32 rounding of a row that is the mean itself


def centred(
    rows: Float32[np.ndarray, "rows dim"], mean: Float64[np.ndarray, " dim"]
) -> Float32[np.ndarray, "rows dim"]:
    """Rows without the mean, at unit length again; a row that was the mean itself stays zero."""
    away = rows - mean.astype(np.float32)
    norms = np.linalg.norm(away, axis=1, keepdims=True)
    np.divide(away, norms, out=away, where=norms > _NO_DIRECTION)
    away[norms[:, 0] <= _NO_DIRECTION] = 0
    return away


def mean_over_voices(
    rows: Float32[np.ndarray, "rows dim"], apart: float, fewest: int = 1
) -> Float64[np.ndarray, " dim"]:
    """The mean of the voices' means, of unit rows, where rows of a cosine below `apart` are taken for two voices.

    Voices of fewer rows than `fewest` count only where no two have more: they may be outliers of one large voice. Zeros
    where all are one voice, which the mean would take away.
    """
    mean, before = np.zeros(rows.shape[1]), np.zeros(0, np.int64)
    for _ in range(_ROUNDS):
        voices = _voices(rows, mean, centred_cosine(apart, mean))
        if len(voices) == len(before) and (voices == before).all():
            break
        if not voices.max(initial=0):
            return np.zeros(rows.shape[1])
        mean, before = _mean_of_means(rows, voices, fewest), voices
    return mean


def _mean_of_means(
    rows: Float32[np.ndarray, "rows dim"], voices: Int64[np.ndarray, " rows"], fewest: int
) -> Float64[np.ndarray, " dim"]:
    several = without_singles(voices, fewest)
    counted = several if several.max() > 0 else voices
    n_voices = int(counted.max()) + 1
    means = sums(rows, counted, n_voices).astype(np.float64) / sizes(counted, n_voices)[:, None]
    mean: Float64[np.ndarray, " dim"] = means.mean(axis=0)
    return mean


def _voices(
    rows: Float32[np.ndarray, "rows dim"], mean: Float64[np.ndarray, " dim"], apart: float
) -> Int64[np.ndarray, " rows"]:
    turned = centred(rows, mean)
    return cut(average_linkage(turned, neighbours(turned, NEIGHBOURS), apart), len(rows), apart)
