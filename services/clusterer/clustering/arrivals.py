"""Which standing cluster a row joins, without clustering anew. It creates no cluster and joins no two.

A row joins the nearest cluster if it would have been joined there (its mean cosine to the members reaches the cut), and
if it stands clear of the nearest other cluster: its silhouette exceeds what counts as structure (see `choose`).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int64

from services.clusterer.clustering.centring import centred
from services.clusterer.clustering.choose import STRUCTURE
from services.clusterer.clustering.groups import sizes, sums
from services.clusterer.clustering.types import NOISE, Arrived, Clustering

_BLOCK: Final = 1024  # rows compared with all clusters at once: 200 MB where there are 50,000


@dataclass(frozen=True, slots=True)
class Standing:
    """The clusters that stand, as far as an arrival must know them."""

    means: Float32[np.ndarray, "clusters dim"]  # of the members after `mean` was taken away; not unit
    mean: Float64[np.ndarray, " dim"]
    cut: float


def standing(rows: Float32[np.ndarray, "rows dim"], clustering: Clustering) -> Standing:
    """The clusters that were found in these unit rows with a cut."""
    assert clustering.chosen.cut is not None, "only a clustering with a cut says which arrivals it would have joined"
    turned = centred(rows, clustering.mean)
    return Standing(means(turned, clustering.labels), clustering.mean, clustering.chosen.cut)


def means(turned: Float32[np.ndarray, "rows dim"], labels: Int64[np.ndarray, " rows"]) -> Float32[np.ndarray, "n dim"]:
    """The mean row of each cluster."""
    n_clusters = int(labels.max(initial=NOISE)) + 1
    middle: Float32[np.ndarray, "n dim"] = sums(turned, labels, n_clusters)
    middle /= sizes(labels, n_clusters)[:, None].astype(np.float32)
    return middle


def arrive(rows: Float32[np.ndarray, "new dim"], clusters: Standing) -> Arrived:
    """Find the cluster of each unit row, or none."""
    return joined(centred(rows, clusters.mean), clusters.means, clusters.cut)


def joined(
    turned: Float32[np.ndarray, "new dim"], cluster_means: Float32[np.ndarray, "clusters dim"], cut: float
) -> Arrived:
    """As `arrive`, for rows whose mean is taken away already."""
    labels, nearest = np.full(len(turned), NOISE, np.int64), np.full(len(turned), -1.0)
    for first in range(0, len(turned) if len(cluster_means) else 0, _BLOCK):
        some = slice(first, first + _BLOCK)
        cosines = turned[some] @ cluster_means.T  # (some, dim) @ (dim, clusters) -> (some, clusters)
        at, best = np.arange(len(cosines)), cosines.argmax(axis=1)
        nearest[some] = cosines[at, best]
        cosines[at, best] = -1.0
        other = cosines.max(axis=1)
        clear = nearest[some] - other > STRUCTURE * (1 - np.minimum(nearest[some], other))
        labels[some] = np.where((nearest[some] >= cut) & clear, best, NOISE)
    return Arrived(labels, nearest)
