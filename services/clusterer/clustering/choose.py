"""Where to cut the linkage tree: at the cosine whose groups stand furthest apart for how close they keep together.

The criterion is the mean silhouette (Rousseeuw 1987) by mean cosines: of each row, the mean cosine to the rest of its
group `a` and to the nearest other group `b` give `(a - b) / max(1 - a, 1 - b)`; a row alone has 0. It needs no
parameter and no mean, and rises while true voices are joined and falls when they are mixed. Kaufman and Rousseeuw
(1990, table 2.4) read a best value of .25 or less as "no substantial structure": then the encoder's own middle stands.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int64

from services.clusterer.clustering.groups import evenly, sizes, sums, with_singles
from services.clusterer.clustering.linkage import cut
from services.clusterer.clustering.types import Merges, Progress, silent

STRUCTURE: Final = 0.25  # Kaufman and Rousseeuw 1990, table 2.4
_BLOCK: Final = 256  # rows compared with all groups at once: 50 MiB where there are 50,000
_JUDGED: Final = 2048  # rows: their mean silhouette is known to less than .01 (a row's spread is .3)


@dataclass(frozen=True, slots=True)
class Cut:
    """The groups of rows below a cosine, and their mean silhouette."""

    cosine: float
    groups: Int64[np.ndarray, " rows"]
    silhouette: float


def best_cut(
    rows: Float32[np.ndarray, "rows dim"],
    merges: Merges,
    cosines: Float64[np.ndarray, " cuts"],
    progress: Progress = silent,
) -> Cut:
    """The cut with the highest mean silhouette, of these; the middle one where no cut shows structure.

    Cuts that make the same groups are one, known by the cosine nearest to the middle.
    """
    half = len(cosines) // 2
    judged = evenly(rows, _JUDGED)
    cuts: dict[int, Cut] = {}  # by number of groups: cuts of one tree with as many groups are the same
    for place in sorted(range(len(cosines)), key=lambda at: abs(at - half)):
        groups = cut(merges, len(rows), float(cosines[place]))
        n_groups = int(groups.max(initial=-1)) + 1
        if n_groups not in cuts:
            cuts[n_groups] = Cut(float(cosines[place]), groups, _mean_silhouette(rows, groups, judged))
        progress((len(cuts)) / len(cosines))
    middle, *others = cuts.values()
    best = max([middle, *others], key=lambda one: one.silhouette)
    return best if best.silhouette > STRUCTURE else middle


def denser(
    rows: Float32[np.ndarray, "rows dim"], dense: Int64[np.ndarray, " rows"], groups: Int64[np.ndarray, " rows"]
) -> bool:
    """Whether these labels stand apart clearly better than the groups."""
    judged = evenly(rows, _JUDGED)
    if not len(judged):
        return False
    return clearly_better(silhouettes(rows, with_singles(dense), judged), silhouettes(rows, groups, judged))


def clearly_better(new: Float64[np.ndarray, " judged"], old: Float64[np.ndarray, " judged"]) -> bool:
    """Whether silhouettes of the same rows show structure, and more of it by over two standard errors of the mean."""
    gain = new - old
    return bool(new.mean() > STRUCTURE and gain.mean() > 2 * gain.std() / np.sqrt(len(gain)))


def _mean_silhouette(
    rows: Float32[np.ndarray, "rows dim"], groups: Int64[np.ndarray, " rows"], judged: Int64[np.ndarray, " judged"]
) -> float:
    return float(silhouettes(rows, groups, judged).mean()) if len(judged) else 0.0


def silhouettes(
    rows: Float32[np.ndarray, "rows dim"], groups: Int64[np.ndarray, " rows"], judged: Int64[np.ndarray, " judged"]
) -> Float64[np.ndarray, " judged"]:
    """The silhouette of each judged row, -1 to 1.

    Where all are one group there is no other one to compare with: its rows have the value that several groups must
    exceed to be worth telling apart.
    """
    n_groups = int(groups.max(initial=-1)) + 1
    if n_groups < 2:
        return np.full(len(judged), STRUCTURE)
    counts = sizes(groups, n_groups)
    means = sums(rows, groups, n_groups) / counts[:, None].astype(np.float32)
    blocks = [judged[first : first + _BLOCK] for first in range(0, len(judged), _BLOCK)]
    return np.concatenate([np.zeros(0), *(_silhouettes(rows[some], groups[some], means, counts) for some in blocks)])


def _silhouettes(
    rows: Float32[np.ndarray, "some dim"],
    own: Int64[np.ndarray, " some"],
    means: Float32[np.ndarray, "groups dim"],
    counts: Int64[np.ndarray, " groups"],
) -> Float64[np.ndarray, " some"]:
    cosines = rows @ means.T  # (some, dim) @ (dim, groups) -> (some, groups)
    at = np.arange(len(rows))
    itself = np.einsum("rd,rd->r", rows, rows)  # 1, or 0 for a row without direction
    inside = (cosines[at, own] * counts[own] - itself) / np.maximum(counts[own] - 1, 1)
    cosines[at, own] = -np.inf
    outside = cosines.max(axis=1)
    scale = np.maximum(np.maximum(1 - inside, 1 - outside), 1e-6)
    return np.where(counts[own] > 1, (inside - outside) / scale, 0.0).astype(np.float64)
