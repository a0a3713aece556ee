"""Facts by which a person may judge a cluster: how large, how close, how clear of others, how stable, and who is in it.

Stability is Hennig's (2007, "Cluster-wise assessment of cluster stability"): leave out half of the rows, join the rest
anew over the standing graph, and see how much of each cluster comes back (Jaccard index); .75 and more he calls stable.
"""

from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int64

from services.clusterer.clustering import linkage
from services.clusterer.clustering.arrivals import means
from services.clusterer.clustering.groups import sizes, sums, with_rest
from services.clusterer.clustering.neighbours import neighbours
from services.clusterer.clustering.types import NOISE, Graph, Trust

N_EXEMPLARS: Final = 3  # as many as one listens to
_ROUNDS: Final = 10  # a cluster's stability is known to .07: from round to round it varies by .2 or so
_FEWEST_ROUNDS: Final = 3  # known to .12
_RESAMPLED: Final = 200_000  # rows in all rounds together: so much is worth a second or two


def trusts(
    turned: Float32[np.ndarray, "rows dim"],
    labels: Int64[np.ndarray, " rows"],
    recordings: Int64[np.ndarray, " rows"],
    stability: Float64[np.ndarray, " clusters"],
) -> list[Trust]:
    """The facts of each cluster, of unit rows whose mean is taken away; `recordings` numbers each row's recording."""
    n_clusters = int(labels.max(initial=NOISE)) + 1
    inside, outside = _inside(turned, labels, n_clusters), _outside(turned, labels)
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(n_clusters + 1))
    found = []
    for number in range(n_clusters):
        members = order[bounds[number] : bounds[number + 1]]
        cohesion = float(inside[members].mean())
        found.append(
            Trust(
                size=len(members),
                n_recordings=len(np.unique(recordings[members])),
                cohesion=cohesion,
                margin=cohesion - float(outside[number]),
                stability=float(stability[number]),
                exemplars=_exemplars(members, inside[members], recordings[members]),
            )
        )
    return found


def _inside(
    turned: Float32[np.ndarray, "rows dim"], labels: Int64[np.ndarray, " rows"], n_clusters: int
) -> Float64[np.ndarray, " rows"]:
    """The mean cosine of each clustered row to the rest of its cluster."""
    inside = np.zeros(len(turned))
    clustered, counts = np.flatnonzero(labels != NOISE), sizes(labels, n_clusters)
    cosines = with_rest(turned, labels, clustered, sums(turned, labels, n_clusters))
    inside[clustered] = cosines / np.maximum(counts[labels[clustered]] - 1, 1)
    return inside


def _outside(
    turned: Float32[np.ndarray, "rows dim"], labels: Int64[np.ndarray, " rows"]
) -> Float64[np.ndarray, " clusters"]:
    """The mean cosine between the rows of each cluster and those of its nearest other one; -1 where there is none."""
    nearest = neighbours(means(turned, labels), 1).cosines
    return nearest[:, 0].astype(np.float64) if nearest.size else np.full(len(nearest), -1.0)


def _exemplars(
    members: Int64[np.ndarray, " members"],
    inside: Float64[np.ndarray, " members"],
    recordings: Int64[np.ndarray, " members"],
) -> tuple[int, ...]:
    """The most typical member of each recording, best recording first; then the next of each."""
    order = np.lexsort((members, -inside))
    turn: dict[int, int] = {}  # how many of a recording came before
    ranked = []
    for place, at in enumerate(order):
        recording = int(recordings[at])
        ranked.append((turn.get(recording, 0), place, int(members[at])))
        turn[recording] = turn.get(recording, 0) + 1
    return tuple(member for _, _, member in sorted(ranked)[:N_EXEMPLARS])


def stability(
    turned: Float32[np.ndarray, "rows dim"],
    graph: Graph,
    labels: Int64[np.ndarray, " rows"],
    cut: float,
    rng: np.random.Generator,
) -> Float64[np.ndarray, " clusters"]:
    """How much of each cluster comes back when half of the rows are left out, over ten rounds, of many rows three.

    Rows that the graph does not hold (short ones, which do not vote) are to be left out by the caller. A cluster of
    which fewer than two rows remain says nothing in that round; if in none, its stability is 0.
    """
    n_clusters = int(labels.max(initial=NOISE)) + 1
    total, heard = np.zeros(n_clusters), np.zeros(n_clusters)
    for _ in range(min(_ROUNDS, max(_FEWEST_ROUNDS, _RESAMPLED // max(1, len(turned))))):
        kept = np.sort(rng.permutation(len(turned))[: (len(turned) + 1) // 2])
        groups = linkage.cut(linkage.average_linkage(turned[kept], _among(graph, kept), cut), len(kept), cut)
        alike, told = _jaccard(labels[kept], groups, n_clusters)
        total += np.where(told, alike, 0)
        heard += told
    return np.divide(total, heard, out=np.zeros(n_clusters), where=heard > 0)


def _among(graph: Graph, kept: Int64[np.ndarray, " kept"]) -> Graph:
    """The graph of some rows only: neighbours that are not among them are at cosine -inf."""
    now = np.full(len(graph.indices), -1, np.int32)
    now[kept] = np.arange(len(kept))
    indices = now[graph.indices[kept]]
    return Graph(indices, np.where(indices < 0, np.float32(-np.inf), graph.cosines[kept]))


def _jaccard(
    labels: Int64[np.ndarray, " kept"], groups: Int64[np.ndarray, " kept"], n_clusters: int
) -> tuple[Float64[np.ndarray, " clusters"], Float64[np.ndarray, " clusters"]]:
    """Of each cluster the best Jaccard index with any group, and whether two rows of it are there."""
    n_groups = int(groups.max(initial=-1)) + 1
    inside = labels != NOISE
    pairs, shared = np.unique(labels[inside] * n_groups + groups[inside], return_counts=True)
    cluster, group = np.divmod(pairs, max(1, n_groups))
    counts = sizes(labels, n_clusters)
    best = np.zeros(n_clusters)
    np.maximum.at(best, cluster, shared / (counts[cluster] + sizes(groups, n_groups)[group] - shared))
    return best, (counts >= 2).astype(np.float64)
