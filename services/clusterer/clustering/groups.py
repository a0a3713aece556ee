"""Sums and sizes of groups of rows. For unit rows they hold every mean cosine between groups: `S.T / (|S| |T|)`."""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Int64

from services.clusterer.clustering.types import NOISE

_BLOCK: Final = 1024  # rows gathered at once: few enough to stay in the cache


def sums(
    rows: Float32[np.ndarray, "rows dim"], groups: Int64[np.ndarray, " rows"], n_groups: int
) -> Float32[np.ndarray, "groups dim"]:
    """The sum of each group's rows, added up in float64; zeros for a group without rows. Noise is left out."""
    total = np.zeros((n_groups, rows.shape[1]), np.float32)
    order = np.argsort(groups, kind="stable")
    order = order[np.searchsorted(groups[order], 0) :]  # noise comes first
    present, starts = np.unique(groups[order], return_index=True)
    ends = np.append(starts[1:], len(order))
    pairs = ends - starts <= 2  # most groups of a large collection: no loop for them
    first, last = order[starts[pairs]], order[ends[pairs] - 1]
    total[present[pairs]] = rows[first]
    two = first != last
    total[present[pairs][two]] += rows[last[two]]
    for group, start, end in zip(present[~pairs], starts[~pairs], ends[~pairs], strict=True):
        total[group] = rows[order[start:end]].sum(axis=0, dtype=np.float64)
    return total


def with_rest(
    rows: Float32[np.ndarray, "rows dim"],
    groups: Int64[np.ndarray, " rows"],
    some: Int64[np.ndarray, " some"],
    total: Float32[np.ndarray, "groups dim"],
) -> Float32[np.ndarray, " some"]:
    """The sum of the cosines of some rows, none of them noise, to all others of their groups, from the groups' sums."""
    cosines: Float32[np.ndarray, " some"] = np.empty(len(some), np.float32)
    for first in range(0, len(some), _BLOCK):
        block = some[first : first + _BLOCK]
        here = rows[block]
        cosines[first : first + _BLOCK] = np.einsum("rd,rd->r", here, total[groups[block]] - here)
    return cosines


def sizes(groups: Int64[np.ndarray, " rows"], n_groups: int) -> Int64[np.ndarray, " groups"]:
    """How many rows each group has. Noise is left out."""
    return np.bincount(groups[groups >= 0], minlength=n_groups)


def without_singles(groups: Int64[np.ndarray, " rows"], fewest: int = 2) -> Int64[np.ndarray, " rows"]:
    """Labels from groups: those of fewer rows than `fewest` are noise, the others numbered by their first rows."""
    named, first, number, counts = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    keep: Bool[np.ndarray, " groups"] = (counts >= fewest) & (named >= 0)
    rank = np.full(len(named), NOISE, np.int64)
    rank[np.flatnonzero(keep)[np.argsort(first[keep])]] = np.arange(int(keep.sum()))
    return np.asarray(rank[number], np.int64)


def with_singles(labels: Int64[np.ndarray, " rows"]) -> Int64[np.ndarray, " rows"]:
    """Groups from labels: each noise row is a group of its own."""
    groups = labels.copy()
    noise = groups < 0
    groups[noise] = labels.max(initial=NOISE) + 1 + np.arange(int(noise.sum()))
    return groups


def evenly(rows: Float32[np.ndarray, "rows dim"], n_wanted: int) -> Int64[np.ndarray, " wanted"]:
    """So many rows, spread evenly over all and the same ones in any order of the rows."""
    if len(rows) <= n_wanted:
        return np.arange(len(rows))
    along = np.argsort(rows @ rows.mean(axis=0, dtype=np.float64).astype(np.float32), kind="stable")
    return np.sort(along[np.linspace(0, len(rows) - 1, n_wanted).astype(np.int64)])


def distinct(numbers: Int64[np.ndarray, " numbers"]) -> Int64[np.ndarray, " distinct"]:
    """The numbers from 0 on, each once, ascending; by sorting, as numpy's hashing of millions is slow."""
    ordered = np.sort(numbers)
    return ordered[np.diff(ordered, prepend=-1) != 0] if len(ordered) else ordered
