"""HDBSCAN over a neighbour graph: where rows lie dense are clusters, between them is noise.

Needs only the k nearest neighbours: the spanning tree of mutual reachability runs along them, and where the graph falls
apart its pieces are joined by their exact nearest rows. Distances are Euclidean between unit rows.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int64

from services.clusterer.clustering import choose
from services.clusterer.clustering.groups import with_singles
from services.clusterer.clustering.tree import Flat, condensed, flat
from services.clusterer.clustering.types import NOISE, Chosen, Graph, Merges, Selection, nothing_joined

_BLOCK: Final = 2048  # rows: a block of cosines is 16 MiB
_SHIFT: Final = 1.0  # scipy takes a zero for no edge; equal rows are at distance zero


@dataclass(frozen=True, slots=True)
class Known:
    """The spanning tree of the rows that were there before the new ones came; none went since."""

    tree: Merges
    new: Int64[np.ndarray, " new"]


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
        return Flat(np.full(len(rows), NOISE, np.int64), np.zeros(len(rows)))
    return flat(condensed(*spanning_tree(rows, graph, min_samples), min_cluster_size), selection)


def grown(rows: Float32[np.ndarray, "rows dim"], graph: Graph, known: Known | None = None) -> Merges:
    """The spanning tree of highest cosines (density by one neighbour changes none), from that of earlier rows."""
    if len(rows) < 2 or not graph.indices.shape[1]:
        return nothing_joined()
    left, right, distances = spanning_tree(rows, graph, 1, bridges(rows, graph, known))
    return Merges(left.astype(np.int32), right.astype(np.int32), 1 - distances**2 / 2)


def dense(tree: Merges, n_rows: int, min_cluster_size: int) -> Int64[np.ndarray, " rows"]:
    """The labels of HDBSCAN's clusters in such a tree."""
    if not len(tree.left):
        return np.full(n_rows, NOISE, np.int64)
    edges = tree.left.astype(np.int64), tree.right.astype(np.int64), _distance(tree.cosines)
    return flat(condensed(*edges, min_cluster_size), "eom").labels


def tuned(rows: Float32[np.ndarray, "rows dim"], graph: Graph) -> tuple[Flat, Chosen]:
    """HDBSCAN with those usual parameters whose clusters have the highest mean silhouette."""
    best: tuple[Flat, Chosen] | None = None
    everyone, joins = np.arange(len(rows)), bridges(rows, graph)
    for min_samples in (1, 2, 5):
        tree = spanning_tree(rows, graph, min_samples, joins)
        for min_cluster_size, selection in ((2, "eom"), (2, "leaf"), (3, "eom"), (5, "eom"), (10, "eom")):
            found = flat(condensed(*tree, min_cluster_size), "leaf" if selection == "leaf" else "eom")
            value = float(choose.silhouettes(rows, with_singles(found.labels), everyone).mean())
            if best is None or value > (best[1].silhouette or 0):
                named: Selection = "leaf" if selection == "leaf" else "eom"
                best = found, Chosen(min_cluster_size, min_samples, named, silhouette=value)
    assert best is not None
    return best


def spanning_tree(
    rows: Float32[np.ndarray, "rows dim"], graph: Graph, min_samples: int, joins: Merges | None = None
) -> _Edges:
    """The n - 1 edges of least mutual reachability: ends and distances. `joins` are the graph's bridges, if known."""
    core = _distance(graph.cosines[:, min(min_samples, graph.cosines.shape[1]) - 1])
    left = np.repeat(np.arange(len(rows)), graph.indices.shape[1])
    right = graph.indices.ravel().astype(np.int64)
    reach = np.maximum(_distance(graph.cosines.ravel()), np.maximum(core[left], core[right]))
    edges = _spanning(left, right, reach, len(rows))
    joins = bridges(rows, graph) if joins is None else joins
    return (
        np.concatenate([edges[0], joins.left]),
        np.concatenate([edges[1], joins.right]),
        np.concatenate([edges[2], _distance(joins.cosines)]),
    )


def _distance(cosines: Float32[np.ndarray, "..."] | Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
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


def bridges(rows: Float32[np.ndarray, "rows dim"], graph: Graph, known: Known | None = None) -> Merges:
    """The joins that make the graph's pieces one tree, between any row of each: it only asks which pieces, and how far.

    No edge of the graph leaves a piece, so two rows of two pieces are further apart than either's core distance: their
    reach is their distance. With the tree that was `known` before some rows came, and none went, only the new ones are
    compared with all others: the tree of more rows is among the old tree's edges and the edges at new rows.
    """
    pieces = _pieces(graph)
    order = np.argsort(pieces, kind="stable")
    starts = np.flatnonzero(np.diff(pieces[order], prepend=-1))
    if len(starts) < 2:
        return nothing_joined()
    if known is None:
        nearest = _between(rows[order], starts)
    else:
        nearest = _at_new(rows, pieces, known.new, (order, starts))
        crossing = pieces[known.tree.left], pieces[known.tree.right]
        np.maximum.at(nearest, crossing, known.tree.cosines.astype(np.float32))
    ends, cosines = _prim(np.maximum(nearest, nearest.T))
    first = order[starts].astype(np.int32)
    return Merges(first[ends], first[1:], cosines.astype(np.float64))


def _pieces(graph: Graph) -> Int64[np.ndarray, " rows"]:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    n_rows, k = graph.indices.shape
    edges = (np.ones(n_rows * k, np.int8), graph.indices.ravel(), np.arange(n_rows + 1, dtype=np.int32) * k)
    _, pieces = connected_components(csr_array(edges, shape=(n_rows, n_rows)), directed=False)
    return np.asarray(pieces, np.int64)


def _between(
    rows: Float32[np.ndarray, "rows dim"], starts: Int64[np.ndarray, " pieces"]
) -> Float32[np.ndarray, "pieces pieces"]:
    """The highest cosine between the rows of any two pieces, -1 below the diagonal; rows are in the order of pieces."""
    nearest = np.full((len(starts), len(starts)), -1, np.float32)
    piece = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(rows)))
    for first in range(0, len(rows), _BLOCK):
        left = piece[first : first + _BLOCK]
        left_starts = np.flatnonzero(np.diff(left, prepend=-1))
        for other in range(first, len(rows), _BLOCK):
            right = piece[other : other + _BLOCK]
            if left[0] == right[-1]:
                continue  # all one piece
            right_starts = np.flatnonzero(np.diff(right, prepend=-1))
            # (some, dim) @ (dim, others) -> (some, others) -> (pieces here, others) -> (pieces here, pieces there)
            cosines = rows[first : first + _BLOCK] @ rows[other : other + _BLOCK].T
            highest = np.maximum.reduceat(np.maximum.reduceat(cosines, left_starts, axis=0), right_starts, axis=1)
            here = slice(left[0], left[-1] + 1), slice(right[0], right[-1] + 1)
            nearest[here] = np.maximum(nearest[here], highest)
    return nearest


def _at_new(
    rows: Float32[np.ndarray, "rows dim"],
    pieces: Int64[np.ndarray, " rows"],
    new: Int64[np.ndarray, " new"],
    sorted_pieces: tuple[Int64[np.ndarray, " rows"], Int64[np.ndarray, " pieces"]],
) -> Float32[np.ndarray, "pieces pieces"]:
    """The highest cosine between new rows of one piece, by rows, and any rows of another, by columns; -1 without."""
    order, starts = sorted_pieces
    nearest = np.full((len(starts), len(starts)), -1, np.float32)
    for first in range(0, len(order), _BLOCK):
        others = order[first : first + _BLOCK]
        there = pieces[others]
        there_starts = np.flatnonzero(np.diff(there, prepend=-1))
        for some in (new[at : at + _BLOCK] for at in range(0, len(new), _BLOCK)):
            # (some, dim) @ (dim, others) -> (some, others) -> (some, pieces there)
            highest = np.maximum.reduceat(rows[some] @ rows[others].T, there_starts, axis=1)
            np.maximum.at(nearest, (pieces[some][:, None], there[there_starts]), highest)
    return nearest


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
