"""Learn a back-end from a collection's own vectors, without labels; whatever their order, the same one."""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from shared.scoring import groups
from shared.scoring.backend import Backend
from shared.scoring.shrinkage import ledoit_wolf

LARGEST_SAMPLE: Final = 4096
"""As many vectors of a collection tell its back-end; more are a waste, since the sample is compared with itself."""

PRIOR_VOICES: Final = 5.0
"""How many voices a collection needs for half of its mean to be taken away: the mean of few voices is those voices.

A prior, not a fit: a mean of five takes a fifth of every voice away from itself, which is where it begins to do as much
good as harm. What 3.5 and 6.5 do is in docs/encoders.md.
"""

_FEWEST: Final = 4  # two groups of two: below that there is no spread within groups to speak of
_SHORTEST: Final = 0.5  # of the usual length: a vector that is shorter has no direction to speak of


def learn(rows: Float32[np.ndarray, "rows dim"], same_voice_cosine: float) -> Backend:
    """The back-end of unit rows, at most LARGEST_SAMPLE of them; of no rows, one that changes nothing.

    `same_voice_cosine` is the encoder's: from this plain cosine on two rows are taken for one voice. It serves to count
    voices, and so to say how much of the mean may be taken away: of a single voice, little. And it says how far first
    neighbours are to be believed.
    """
    distinct = np.unique(rows, axis=0).astype(np.float64)  # sorted, too: sums come out the same in any order
    if not len(distinct):
        return plain(rows.shape[1])
    n_alike = count_alike(distinct, same_voice_cosine)
    n_voices = float((1 / n_alike).sum())  # each row counts for one of as many as are like it
    offset = _share(n_voices) * distinct.mean(axis=0)
    if len(distinct) >= _FEWEST:
        found = groups.connected(groups.first_neighbours(_unit(distinct - offset)))
        n_voices = min(n_voices, float(found.max()) + 1)  # more voices than groups there are not
        # of the groups' means: a voice of a thousand segments must not outweigh all others
        offset = _share(n_voices) * groups.means(distinct, found).mean(axis=0)
    offset = _storable(offset)
    whitening = _storable(_whitening(_unit(distinct - offset), n_alike > 1, n_voices))
    lengths = np.linalg.norm((distinct - offset) @ whitening, axis=1)
    reach = max(float(lengths.min()), _SHORTEST * float(np.median(lengths)))
    return Backend(offset, whitening, reach, n_voices)


def plain(dimension: int) -> Backend:
    """The back-end that leaves the encoder's own cosine as it is."""
    return Backend(np.zeros(dimension), np.eye(dimension), _SHORTEST, 0.0)


def count_alike(rows: Float64[np.ndarray, "rows dim"], same_voice_cosine: float) -> Int64[np.ndarray, " rows"]:
    """How many unit rows are as near to each as rows of one voice are, itself among them.

    Short rows are unlike each other: fewer of their voice are found, and more voices counted than there are.
    """
    alike = rows @ rows.T >= same_voice_cosine
    np.fill_diagonal(alike, val=True)  # whatever rounding says
    counts: Int64[np.ndarray, " rows"] = alike.sum(axis=1)
    return counts


def _share(n_voices: float) -> float:
    """How much of the mean may be taken away."""
    return n_voices / (n_voices + PRIOR_VOICES)


def _whitening(
    centred: Float64[np.ndarray, "rows dim"], has_like: Bool[np.ndarray, " rows"], n_voices: float
) -> Float64[np.ndarray, "dim dim"]:
    """The inverse root of the covariance within groups, which keeps lengths as they are on average.

    The covariance is drawn towards the identity twice: as few rows ask for, and by how many rows have nobody who is
    surely of their voice (`has_like`). Where every voice is there once, first neighbours are strangers, and whitening
    what tells strangers apart does harm. Among few voices a single stranger does it: there such rows are left out, and
    one group alone tells nothing of what is the same between voices.
    """
    dimension, trust = centred.shape[1], float(has_like.mean())
    if n_voices <= PRIOR_VOICES:
        centred = centred[has_like]
    found = _grouped(centred)
    if len(centred) < _FEWEST or not found.any():
        return np.eye(dimension)
    deviations = centred - groups.means(centred, found)[found]
    shrunk = ledoit_wolf(deviations, len(centred) - int(found.max()) - 1)
    mean_variance = float(np.trace(shrunk.covariance)) / dimension
    variances, axes = np.linalg.eigh(trust * shrunk.covariance + (1 - trust) * mean_variance * np.eye(dimension))
    if not variances.min() > 0:  # groups without any spread
        return np.eye(dimension)
    turned: Float64[np.ndarray, "dim dim"] = (axes * np.sqrt(mean_variance / variances)) @ axes.T
    return turned


def _grouped(rows: Float64[np.ndarray, "rows dim"]) -> Int64[np.ndarray, " rows"]:
    """The first-neighbour group of each, numbered from 0 on; a row alone is one."""
    return groups.connected(groups.first_neighbours(rows)) if len(rows) > 1 else np.zeros(len(rows), np.int64)


def _unit(rows: Float64[np.ndarray, "rows dim"]) -> Float64[np.ndarray, "rows dim"]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units: Float64[np.ndarray, "rows dim"] = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return units


def _storable(array: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    """Rounded to what float32 holds, so that a stored back-end scores to the last bit as the learned one did."""
    return array.astype(np.float32).astype(np.float64)
