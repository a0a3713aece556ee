"""Which mean to take away: of those that the encoder's range of cosines leads to, the one that parts voices best."""

from typing import Final

import numpy as np
from jaxtyping import Float32, Float64

from services.clusterer.clustering.centring import NEIGHBOURS, centred, mean_over_voices
from services.clusterer.clustering.choose import best_cut, clearly_better, silhouettes
from services.clusterer.clustering.groups import evenly
from services.clusterer.clustering.linkage import average_linkage
from services.clusterer.clustering.neighbours import neighbours
from services.clusterer.clustering.scale import middle, possible, possible_centred
from services.clusterer.clustering.types import Anchor

_SAMPLE: Final = 2048  # rows: among so many, the mean over voices is known to about one part in their number


def shared_mean(rows: Float32[np.ndarray, "rows dim"], anchor: Anchor) -> Float64[np.ndarray, " dim"]:
    """The mean over voices of unit rows; zeros where nothing should be taken away.

    Among few voices the mean depends on how finely they are told apart before it is known, and a wrong one confirms
    itself. So some beginnings are followed to their clusters, and the silhouette of these among the rows as they are,
    which owes nothing to any mean, decides. Where rows are parted clearly better without, nothing is taken away.
    """
    some = rows[evenly(rows, _SAMPLE)]
    nothing = np.zeros(rows.shape[1])
    lowest = float(possible(anchor)[0])
    begun = ((middle(anchor), 1), (lowest, 1), (lowest, 2))
    means = [mean_over_voices(some, apart, fewest) for apart, fewest in begun]
    if not any(mean.any() for mean in means):
        return nothing
    parted = [_parted(some, mean, anchor) for mean in means]
    best = max(range(len(means)), key=lambda at: float(parted[at].mean()))
    return nothing if clearly_better(_parted(some, nothing, anchor), parted[best]) else means[best]


def _parted(
    rows: Float32[np.ndarray, "rows dim"], mean: Float64[np.ndarray, " dim"], anchor: Anchor
) -> Float64[np.ndarray, " rows"]:
    """The silhouettes, among the rows as they are, of the clusters that are found when this mean is taken away."""
    turned, cosines = centred(rows, mean), possible_centred(anchor, mean)
    merges = average_linkage(turned, neighbours(turned, NEIGHBOURS), float(cosines[0]))
    return silhouettes(rows, best_cut(turned, merges, cosines).groups, np.arange(len(rows)))
