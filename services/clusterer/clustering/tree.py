"""HDBSCAN's tree: the single-linkage tree of a spanning tree, condensed to the clusters of a least size.

Campello, Moulavi and Sander 2013; in the form of McInnes, Healy and Astels 2017 (the `hdbscan` library), whose labels
it gives. Rows are 0 to n - 1, joins n to 2n - 2 in order of distance.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from services.clusterer.clustering.groups import without_singles
from services.clusterer.clustering.types import NOISE, Selection


@dataclass(frozen=True, slots=True)
class Condensed:
    """Clusters, 0 the root, children after parents; and where rows and clusters left their parents; lambda is 1 / d."""

    row_cluster: Int64[np.ndarray, " rows"]
    row_lambda: Float64[np.ndarray, " rows"]
    parent: Int64[np.ndarray, " clusters"]  # -1 for the root
    birth: Float64[np.ndarray, " clusters"]
    size: Int64[np.ndarray, " clusters"]


def condensed(
    left: Int64[np.ndarray, " edges"],
    right: Int64[np.ndarray, " edges"],
    distances: Float64[np.ndarray, " edges"],
    min_cluster_size: int,
) -> Condensed:
    """Condense a spanning tree of n rows, given by its n - 1 edges."""
    order = np.lexsort((right, left, distances))
    children, sizes = _single_linkage(left[order].tolist(), right[order].tolist())
    with np.errstate(divide="ignore"):
        lambdas = (1 / distances[order]).tolist()
    return _condensed(children, sizes, lambdas, min_cluster_size)


def _single_linkage(left: list[int], right: list[int]) -> tuple[list[tuple[int, int]], list[int]]:
    """The two children of each join, and the size of each node."""
    n_rows = len(left) + 1
    above = list(range(2 * n_rows - 1))
    sizes = [1] * n_rows + [0] * (n_rows - 1)
    children = []
    for join, ends in enumerate(zip(left, right, strict=True), n_rows):
        roots = []
        for end in ends:
            node = end
            while above[node] != node:
                above[node] = node = above[above[node]]
            roots.append(node)
            above[node] = join
        children.append((roots[0], roots[1]))
        sizes[join] = sizes[roots[0]] + sizes[roots[1]]
    return children, sizes


def _condensed(
    children: list[tuple[int, int]], sizes: list[int], lambdas: list[float], min_cluster_size: int
) -> Condensed:
    """Walk down from the root: a join of two large nodes is two clusters, else its small nodes fall out of theirs."""
    n_rows = len(children) + 1
    cluster, fell = [0] * len(sizes), [-1.0] * len(sizes)  # of each node; -1 while it has not fallen out
    parent, birth, size = [-1], [0.0], [n_rows]
    for node in range(len(sizes) - 1, n_rows - 1, -1):
        both, here = children[node - n_rows], lambdas[node - n_rows]
        if fell[node] >= 0:
            for child in both:
                cluster[child], fell[child] = cluster[node], fell[node]
            continue
        split = min(sizes[both[0]], sizes[both[1]]) >= min_cluster_size
        for child in both:
            cluster[child] = cluster[node]
            if split:
                cluster[child] = len(parent)
                parent.append(cluster[node])
                birth.append(here)
                size.append(sizes[child])
            elif sizes[child] < min_cluster_size:
                fell[child] = here
    return Condensed(
        np.array(cluster[:n_rows], np.int64), np.array(fell[:n_rows]), np.array(parent), np.array(birth), np.array(size)
    )


@dataclass(frozen=True, slots=True)
class Flat:
    """One level of the tree: each row's cluster or NOISE, and how deep it lies there, 0 to 1."""

    labels: Int64[np.ndarray, " rows"]
    probabilities: Float64[np.ndarray, " rows"]


def flat(tree: Condensed, selection: Selection) -> Flat:
    """The clusters with the largest excess of mass, or the leaves. The root is none: one cluster is no finding."""
    chosen = _largest_mass(tree) if selection == "eom" else _leaves(tree)
    number = np.full(len(tree.parent), NOISE, np.int64)
    for cluster in range(1, len(tree.parent)):  # parents come first
        above = number[tree.parent[cluster]]
        number[cluster] = above if above >= 0 else (cluster if chosen[cluster] else NOISE)
    labels = number[tree.row_cluster]
    inside = np.flatnonzero(labels >= 0)
    deepest = np.zeros(len(tree.parent))
    np.maximum.at(deepest, tree.row_cluster, tree.row_lambda)  # of the rows that left the cluster itself
    probabilities = np.zeros(len(labels))
    limit = deepest[labels[inside]]
    lambdas = np.minimum(tree.row_lambda[inside], limit)
    firm = (limit > 0) & np.isfinite(lambdas)
    probabilities[inside] = np.divide(lambdas, limit, out=np.ones(len(inside)), where=firm)
    return Flat(without_singles(labels), probabilities)


def _leaves(tree: Condensed) -> list[bool]:
    has_children = np.zeros(len(tree.parent), bool)
    has_children[tree.parent[1:]] = True
    return [bool(leaf) for leaf in ~has_children]


def _largest_mass(tree: Condensed) -> list[bool]:
    """Where a cluster's excess of mass is not less than that of its best descendants together, it is chosen."""
    mass = _masses(tree)
    below = [0.0] * len(mass)
    chosen = [True] * len(mass)
    chosen[0] = False
    for cluster in range(len(mass) - 1, 0, -1):  # children come last
        chosen[cluster] = mass[cluster] >= below[cluster]
        below[tree.parent[cluster]] += max(mass[cluster], below[cluster])
    return chosen


def _masses(tree: Condensed) -> list[float]:
    """The sum over a cluster's rows of how long they stayed: lambda at leaving less lambda at its birth."""
    finite = np.concatenate([tree.row_lambda, tree.birth])
    most = float(np.max(finite, where=np.isfinite(finite), initial=1.0))
    leaving = np.minimum(tree.row_lambda, 2 * most)  # rows that are equal never leave: as if at half the least distance
    birth = np.minimum(tree.birth, 2 * most)
    mass = np.bincount(tree.row_cluster, leaving, len(tree.parent))
    mass += np.bincount(tree.parent[1:], (birth * tree.size)[1:], len(tree.parent))
    return [float(value) for value in mass - birth * tree.size]
