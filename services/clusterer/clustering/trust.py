"""Facts by which a person may judge a cluster: how large, how close, how clear of others, how stable, and who is in it.

Stability is Hennig's (2007, "Cluster-wise assessment of cluster stability"): leave out half of the rows, join the rest
anew over the standing graph, and see how much of each cluster comes back (Jaccard index); .75 and more he calls stable.
"""

from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int64

from services.clusterer.clustering import linkage
from services.clusterer.clustering.arrivals import means
from services.clusterer.clustering.groups import sizes
from services.clusterer.clustering.types import NOISE, Graph, Trust

N_EXEMPLARS: Final = 3  # as many as one listens to
_BLOCK: Final = 1024  # rows compared with all clusters at once


def trusts(
    turned: Float32[np.ndarray, "rows dim"],
    labels: Int64[np.ndarray, " rows"],
    recordings: Int64[np.ndarray, " rows"],
    stability: Float64[np.ndarray, " clusters"],
) -> list[Trust]:
    """The facts of each cluster, of unit rows whose mean is taken away; `recordings` numbers each row's recording."""
    n_clusters = int(labels.max(initial=NOISE)) + 1
    inside, outside = _cosines(turned, labels, n_clusters)
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
                margin=cohesion - float(outside[members].mean()),
                stability=float(stability[number]),
                exemplars=_exemplars(members, inside[members], recordings[members]),
            )
        )
    return found


def _cosines(
    turned: Float32[np.ndarray, "rows dim"], labels: Int64[np.ndarray, " rows"], n_clusters: int
) -> tuple[Float64[np.ndarray, " rows"], Float64[np.ndarray, " rows"]]:
    """The mean cosine of each clustered row to the rest of its cluster, and to the nearest other one (-1: none)."""
    inside, outside = np.zeros(len(turned)), np.full(len(turned), -1.0)
    clustered = np.flatnonzero(labels != NOISE)
    middle, counts = means(turned, labels), sizes(labels, n_clusters)
    for first in range(0, len(clustered), _BLOCK):
        some = clustered[first : first + _BLOCK]
        own, at = labels[some], np.arange(len(some))
        cosines = turned[some] @ middle.T  # (some, dim) @ (dim, clusters) -> (some, clusters)
        itself = np.einsum("rd,rd->r", turned[some], turned[some])
        inside[some] = (cosines[at, own] * counts[own] - itself) / np.maximum(counts[own] - 1, 1)
        cosines[at, own] = -1.0
        outside[some] = cosines.max(axis=1)
    return inside, outside


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
    n_rounds: int = 10,
) -> Float64[np.ndarray, " clusters"]:
    """How much of each cluster comes back when half of the rows are left out, over so many rounds; 0 to 1.

    Rows that the graph does not hold (short ones, which do not vote) are to be left out by the caller. A cluster of
    which fewer than two rows remain says nothing in that round; if in none, its stability is 0.
    """
    n_clusters = int(labels.max(initial=NOISE)) + 1
    total, heard = np.zeros(n_clusters), np.zeros(n_clusters)
    for _ in range(n_rounds):
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
