"""HDBSCAN over a neighbour graph: where rows lie dense are clusters, between them is noise.

Needs only the k nearest neighbours: the spanning tree of mutual reachability runs along them, and where the graph falls
apart its pieces are joined by their exact nearest rows. Distances are Euclidean between unit rows.
"""

from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int64

from services.clusterer.clustering import choose
from services.clusterer.clustering.groups import with_singles
from services.clusterer.clustering.tree import Flat, condensed, flat
from services.clusterer.clustering.types import Chosen, Graph, Selection

_BLOCK: Final = 4096  # rows: a block of cosines is 64 MiB
_SHIFT: Final = 1.0  # scipy takes a zero for no edge; equal rows are at distance zero

_Edges = tuple[Int64[np.ndarray, " edges"], Int64[np.ndarray, " edges"], Float64[np.ndarray, " edges"]]


def hdbscan(
    rows: Float32[np.ndarray, "rows dim"],
    graph: Graph,
    min_cluster_size: int,
    min_samples: int,
    selection: Selection = "eom",
) -> Flat:
    """HDBSCAN's clusters of unit rows; `min_samples` neighbours, at most the graph's, say how dense a row lies."""
    if len(rows) < 2 or not graph.indices.shape[1]:
        return Flat(np.full(len(rows), -1, np.int64), np.zeros(len(rows)))
    return flat(condensed(*spanning_tree(rows, graph, min_samples), min_cluster_size), selection)


def tuned(rows: Float32[np.ndarray, "rows dim"], graph: Graph) -> tuple[Flat, Chosen]:
    """HDBSCAN with those usual parameters whose clusters have the highest mean silhouette."""
    best: tuple[Flat, Chosen] | None = None
    everyone = np.arange(len(rows))
    for min_samples in (1, 2, 5):
        tree = spanning_tree(rows, graph, min_samples)
        for min_cluster_size, selection in ((2, "eom"), (2, "leaf"), (3, "eom"), (5, "eom"), (10, "eom")):
            found = flat(condensed(*tree, min_cluster_size), "leaf" if selection == "leaf" else "eom")
            value = float(choose.silhouettes(rows, with_singles(found.labels), everyone).mean())
            if best is None or value > (best[1].silhouette or 0):
                named: Selection = "leaf" if selection == "leaf" else "eom"
                best = found, Chosen(min_cluster_size, min_samples, named, silhouette=value)
    assert best is not None
    return best


def spanning_tree(rows: Float32[np.ndarray, "rows dim"], graph: Graph, min_samples: int) -> _Edges:
    """The n - 1 edges of least mutual reachability: ends and distances."""
    core = _distance(graph.cosines[:, min(min_samples, graph.cosines.shape[1]) - 1])
    left = np.repeat(np.arange(len(rows)), graph.indices.shape[1])
    right = graph.indices.ravel().astype(np.int64)
    reach = np.maximum(_distance(graph.cosines.ravel()), np.maximum(core[left], core[right]))
    edges = _spanning(left, right, reach, len(rows))
    pieces = _pieces(edges, len(rows))
    bridges = _bridges(rows, pieces)
    return (
        np.concatenate([edges[0], bridges[0]]),
        np.concatenate([edges[1], bridges[1]]),
        np.concatenate([edges[2], bridges[2]]),
    )


def _distance(cosines: Float32[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    return np.sqrt(np.maximum(2 - 2 * cosines.astype(np.float64), 0))


def _spanning(
    left: Int64[np.ndarray, " edges"], right: Int64[np.ndarray, " edges"], reach: Float64[np.ndarray, " edges"], n: int
) -> _Edges:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    low, high = np.minimum(left, right), np.maximum(left, right)
    _, first = np.unique(low * n + high, return_index=True)  # an edge seen from both ends has one reach
    weights = coo_array((reach[first] + _SHIFT, (low[first], high[first])), shape=(n, n)).tocsr()
    found = minimum_spanning_tree(weights).tocoo()
    return found.row.astype(np.int64), found.col.astype(np.int64), np.maximum(found.data - _SHIFT, 0)


def _pieces(edges: _Edges, n: int) -> Int64[np.ndarray, " rows"]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, pieces = connected_components(coo_array((np.ones(len(edges[0]), np.int8), edges[:2]), shape=(n, n)), False)
    return np.asarray(pieces, np.int64)


def _bridges(rows: Float32[np.ndarray, "rows dim"], pieces: Int64[np.ndarray, " rows"]) -> _Edges:
    """Edges that join the pieces to one tree, between any row of each: the tree only asks which pieces, and how far.

    No edge of the graph leaves a piece, so two rows of two pieces are further apart than either's core distance: their
    reach is their distance.
    """
    order = np.argsort(pieces, kind="stable")
    starts = np.flatnonzero(np.diff(pieces[order], prepend=-1))
    if len(starts) < 2:
        nobody = np.zeros(0, np.int64)
        return nobody, nobody, np.zeros(0)
    nearest = _between(rows[order], starts)
    ends, cosines = _prim(nearest)
    return order[starts[ends]], order[starts[np.arange(1, len(starts))]], _distance(cosines)


def _between(
    rows: Float32[np.ndarray, "rows dim"], starts: Int64[np.ndarray, " pieces"]
) -> Float32[np.ndarray, "pieces pieces"]:
    """The highest cosine between the rows of any two pieces; rows are in the order of pieces."""
    nearest = np.full((len(starts), len(starts)), -1, np.float32)
    piece = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(rows)))
    for first in range(0, len(rows), _BLOCK):
        left = piece[first : first + _BLOCK]
        left_starts = np.flatnonzero(np.diff(left, prepend=-1))
        for other in range(first, len(rows), _BLOCK):
            right = piece[other : other + _BLOCK]
            right_starts = np.flatnonzero(np.diff(right, prepend=-1))
            # (some, dim) @ (dim, others) -> (some, others) -> (some, pieces there) -> (pieces here, pieces there)
            cosines = rows[first : first + _BLOCK] @ rows[other : other + _BLOCK].T
            highest = np.maximum.reduceat(np.maximum.reduceat(cosines, right_starts, axis=1), left_starts, axis=0)
            here = slice(left[0], left[-1] + 1), slice(right[0], right[-1] + 1)
            nearest[here] = np.maximum(nearest[here], highest)
    return np.maximum(nearest, nearest.T)


def _prim(
    cosines: Float32[np.ndarray, "pieces pieces"],
) -> tuple[Int64[np.ndarray, " joins"], Float32[np.ndarray, " joins"]]:
    """The spanning tree of highest cosines (Prim 1957): to which piece each piece but the first is joined, and how."""
    best, via = cosines[0].copy(), np.zeros(len(cosines), np.int64)
    inside = np.zeros(len(cosines), bool)
    inside[0] = True
    for _ in range(1, len(cosines)):
        joined = int(np.where(inside, -np.inf, best).argmax())
        inside[joined] = True
        closer = ~inside & (cosines[joined] > best)
        best[closer], via[closer] = cosines[joined][closer], joined
    return via[1:], best[1:]
