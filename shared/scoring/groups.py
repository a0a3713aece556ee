"""Small groups of vectors that are presumably one voice: everybody together with their first neighbour."""

import numpy as np
from jaxtyping import Float64, Int64

_ROWS_AT_ONCE = 512  # of the similarity matrix: 16 MB at 4096 rows


def first_neighbours(rows: Float64[np.ndarray, "rows dim"]) -> Int64[np.ndarray, " rows"]:
    """The other row with the highest inner product with each row; the first of equals. Needs two rows."""
    nearest = np.empty(len(rows), np.int64)
    for begin in range(0, len(rows), _ROWS_AT_ONCE):
        block = rows[begin : begin + _ROWS_AT_ONCE] @ rows.T  # (block, rows)
        own = np.arange(len(block))
        block[own, begin + own] = -np.inf
        nearest[begin : begin + len(block)] = block.argmax(axis=1)
    return nearest


def connected(neighbours: Int64[np.ndarray, " rows"]) -> Int64[np.ndarray, " rows"]:
    """The groups, numbered from 0 on, that arise when everybody is tied to one other.

    The first partition of FINCH: Sarfraz, Sharma and Stiefelhagen, "Efficient parameter-free clustering using first
    neighbor relations" (CVPR 2019).
    """
    n_rows = len(neighbours)
    smallest, step = np.arange(n_rows), neighbours
    # Whoever follows the ties far enough ends in the group's only cycle. After round k, `step` goes 2^k ties at once,
    # and `smallest` is the smallest row on the way.
    for _ in range(max(1, n_rows).bit_length()):
        smallest = np.minimum(smallest, smallest[step])
        step = step[step]
    # On the cycle all have the same smallest row by now: it stands for the group.
    return np.unique(smallest[step], return_inverse=True)[1].astype(np.int64).reshape(n_rows)


def means(
    rows: Float64[np.ndarray, "rows dim"], groups: Int64[np.ndarray, " rows"]
) -> Float64[np.ndarray, "groups dim"]:
    """The mean row of each group."""
    sizes = np.bincount(groups)
    sums = np.zeros((len(sizes), rows.shape[1]))
    np.add.at(sums, groups, rows)
    return sums / sizes[:, None]
