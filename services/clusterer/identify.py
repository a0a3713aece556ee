"""Who speaks, among the named: the speaker whose labelled segments are nearest on average, or nobody.

Ranks by mean cosine distance to each speaker's labelled segments. For unit vectors AVG(1 - q.v) = 1 - q.mean(v), so a
(sum, count) per speaker gives the very ranking that a scan over all labelled vectors would give.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64


@dataclass(frozen=True, slots=True)
class Matches:
    """The nearest speaker of each query, as a row of the centroids; and the cosine to that speaker's mean direction.

    Speakers are ranked by the mean cosine to their labelled segments, which is shorter the more those differ among
    themselves: it says who is nearest, not how near. How near is the angle to their mean, which thresholds are for.
    """

    speaker: Int64[np.ndarray, " queries"]
    score: Float64[np.ndarray, " queries"]


def nearest(
    queries: Float32[np.ndarray, "queries dim"],
    sums: Float64[np.ndarray, "speakers dim"],
    counts: Int64[np.ndarray, " speakers"],
) -> Matches:
    """The best speaker of every query; there must be at least one speaker."""
    means = sums / counts[:, None]
    # (queries, dim) @ (dim, speakers) -> (queries, speakers)
    scores = queries.astype(np.float64) @ means.T
    best = scores.argmax(axis=1)
    lengths = np.linalg.norm(means, axis=1)[best]
    cosines = np.divide(scores[np.arange(len(queries)), best], lengths, out=np.zeros(len(queries)), where=lengths > 0)
    return Matches(best, cosines)


def accepted(matches: Matches, threshold: float) -> Int64[np.ndarray, " accepted"]:
    """The queries whose best speaker is near enough to be named without asking."""
    return np.flatnonzero(matches.score >= threshold)
