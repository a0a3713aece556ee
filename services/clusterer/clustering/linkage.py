"""Average linkage over a neighbour graph: which groups join, and at which mean cosine.

Reciprocal nearest groups are joined many at a time (Sumengen et al. 2021, "Scaling Hierarchical Agglomerative
Clustering to Billion-sized Datasets"): for average linkage that gives the tree that joining one pair at a time gives.
The mean cosine of two groups of unit rows is exact, from their sums; only which groups are compared comes from the
graph, and from a second look among the large ones, whose rows have no room for neighbours outside.
"""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from services.clusterer.clustering.groups import distinct, sizes, sums
from services.clusterer.clustering.types import Graph, Merges

_BLOCK: Final = 4096  # groups compared at once
_GATHERED: Final = 1024  # pairs whose sums are multiplied at once: 1 MiB a side at 256 dimensions stays in the cache


def average_linkage(
    rows: Float32[np.ndarray, "rows dim"], graph: Graph, lowest: float, joined: Merges | None = None
) -> Merges:
    """All joins of a mean cosine of at least `lowest`, of unit rows; what is `joined` already stays so."""
    groups = _Groups(rows)
    left, right = _edges(graph, lowest)
    if joined is not None:
        groups.take(joined)
        left, right = _between(cut(joined, len(rows), -np.inf), left, right)
    while True:
        groups.join_all(left, right, lowest)
        left, right = _among_large(groups, graph.indices.shape[1], lowest)
        if not len(left):
            return groups.merges()


def cut(merges: Merges, n_rows: int, cosine: float) -> Int64[np.ndarray, " rows"]:
    """The group of each row when all joins of at least `cosine` are made, numbered in order of first members."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    made = merges.cosines >= cosine
    ones = np.ones(int(made.sum()), np.int8)
    joins = coo_array((ones, (merges.left[made], merges.right[made])), shape=(n_rows, n_rows))
    _, groups = connected_components(joins, directed=False)
    return np.asarray(groups, np.int64)


class _Groups:
    """The groups so far: a group is known by one of its rows, which holds the group's sum and size."""

    def __init__(self, rows: Float32[np.ndarray, "rows dim"]) -> None:
        self.sums = rows.astype(np.float32, copy=True)
        self.sizes = np.ones(len(rows), np.int64)
        self._left: list[Int64[np.ndarray, " merges"]] = []
        self._right: list[Int64[np.ndarray, " merges"]] = []
        self._cosines: list[Float64[np.ndarray, " merges"]] = []

    def take(self, joined: Merges) -> None:
        """Begin with the groups that these joins make; each is known by its first row."""
        groups = cut(joined, len(self.sizes), -np.inf)
        _, first = np.unique(groups, return_index=True)
        n_groups = len(first)
        self.sums[first] = sums(self.sums, groups, n_groups)
        self.sizes[:] = 0
        self.sizes[first] = sizes(groups, n_groups)
        self._left.append(joined.left.astype(np.int64))
        self._right.append(joined.right.astype(np.int64))
        self._cosines.append(joined.cosines)

    def join_all(self, left: Int64[np.ndarray, " edges"], right: Int64[np.ndarray, " edges"], lowest: float) -> None:
        """Join along these edges until no two groups with an edge between them are near enough."""
        cosines = self.cosines(left, right)
        while len(left):
            near = cosines >= lowest
            left, right, cosines = left[near], right[near], cosines[near]
            chosen = self._reciprocal(left, right, cosines)
            self._join(left[chosen], right[chosen], cosines[chosen])
            left, right, cosines = self._contract(left, right, cosines, chosen)

    def cosines(
        self, left: Int64[np.ndarray, " edges"], right: Int64[np.ndarray, " edges"]
    ) -> Float64[np.ndarray, " edges"]:
        """The mean cosine between the rows of two groups, of each edge."""
        found: Float64[np.ndarray, " edges"] = np.empty(len(left))
        for first in range(0, len(left), _GATHERED):
            some = slice(first, first + _GATHERED)
            np.einsum("ed,ed->e", self.sums[left[some]], self.sums[right[some]], out=found[some], casting="same_kind")
        found /= self.sizes[left] * self.sizes[right]
        return found

    def _reciprocal(
        self,
        left: Int64[np.ndarray, " edges"],
        right: Int64[np.ndarray, " edges"],
        cosines: Float64[np.ndarray, " edges"],
    ) -> Bool[np.ndarray, " edges"]:
        """Edges that are the best of both their ends; of equal ones the first, so that no group joins twice."""
        best = np.full(len(self.sizes), -np.inf)
        np.maximum.at(best, left, cosines)
        np.maximum.at(best, right, cosines)
        chosen: Bool[np.ndarray, " edges"] = (cosines == best[left]) & (cosines == best[right])
        at = np.flatnonzero(chosen)
        ends = np.concatenate([left[at], right[at]])
        if len(distinct(ends)) < len(ends):
            taken: set[int] = set()
            for edge in at:
                pair = {int(left[edge]), int(right[edge])}
                chosen[edge] = not pair & taken
                taken |= pair if chosen[edge] else set()
        return chosen

    def _join(
        self,
        left: Int64[np.ndarray, " joins"],
        right: Int64[np.ndarray, " joins"],
        cosines: Float64[np.ndarray, " joins"],
    ) -> None:
        self.sums[left] += self.sums[right]
        self.sizes[left] += self.sizes[right]
        self.sizes[right] = 0
        self._left.append(left)
        self._right.append(right)
        self._cosines.append(cosines)

    def _contract(
        self,
        left: Int64[np.ndarray, " edges"],
        right: Int64[np.ndarray, " edges"],
        cosines: Float64[np.ndarray, " edges"],
        chosen: Bool[np.ndarray, " edges"],
    ) -> tuple[Int64[np.ndarray, " kept"], Int64[np.ndarray, " kept"], Float64[np.ndarray, " kept"]]:
        """Edges between the groups that are left, each once; the cosines of those that grew are taken again."""
        into = np.arange(len(self.sizes))
        into[right[chosen]] = left[chosen]
        grown = np.zeros(len(self.sizes), bool)
        grown[left[chosen]] = True
        left, right = np.minimum(into[left], into[right]), np.maximum(into[left], into[right])
        moved = grown[left] | grown[right]
        other = (~moved).nonzero()[0]
        again = moved & (left != right)
        unique = distinct(left[again] * len(self.sizes) + right[again])
        fresh_left, fresh_right = np.divmod(unique, len(self.sizes))
        return (
            np.concatenate([left[other], fresh_left]),
            np.concatenate([right[other], fresh_right]),
            np.concatenate([cosines[other], self.cosines(fresh_left, fresh_right)]),
        )

    def merges(self) -> Merges:
        """All joins so far, in the order in which they were made."""
        if not self._left:
            return Merges(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0))
        left, right = np.concatenate(self._left), np.concatenate(self._right)
        return Merges(left.astype(np.int32), right.astype(np.int32), np.concatenate(self._cosines))


def _edges(graph: Graph, lowest: float) -> tuple[Int64[np.ndarray, " edges"], Int64[np.ndarray, " edges"]]:
    """The pairs of neighbours that are near enough, each once."""
    n_rows = len(graph.indices)
    row, place = np.nonzero(graph.cosines >= lowest)
    other = graph.indices[row, place].astype(np.int64)
    pairs = distinct(np.minimum(row, other) * n_rows + np.maximum(row, other))
    left, right = np.divmod(pairs, n_rows)
    return left, right


def _between(
    groups: Int64[np.ndarray, " rows"], left: Int64[np.ndarray, " edges"], right: Int64[np.ndarray, " edges"]
) -> tuple[Int64[np.ndarray, " kept"], Int64[np.ndarray, " kept"]]:
    """The edges between groups, each once, by the first rows of both."""
    _, first = np.unique(groups, return_index=True)
    one, other = first[groups[left]], first[groups[right]]
    apart = one != other
    pairs = distinct(np.minimum(one, other)[apart] * len(groups) + np.maximum(one, other)[apart])
    left, right = np.divmod(pairs, len(groups))
    return left, right


def _among_large(
    groups: _Groups, n_neighbours: int, lowest: float
) -> tuple[Int64[np.ndarray, " edges"], Int64[np.ndarray, " edges"]]:
    """Near enough pairs of groups so large that their rows' neighbours may all be inside."""
    large = np.flatnonzero(2 * groups.sizes > n_neighbours)
    means = groups.sums[large] / groups.sizes[large, None].astype(np.float32)
    left, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for first in range(0, len(large), _BLOCK):
        near = np.nonzero(means[first : first + _BLOCK] @ means[first:].T >= lowest)
        apart = near[1] > near[0]
        left.append(large[first + near[0][apart]])
        right.append(large[first + near[1][apart]])
    return np.concatenate(left), np.concatenate(right)
