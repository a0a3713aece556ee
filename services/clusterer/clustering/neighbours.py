"""Exact nearest neighbours of unit rows by cosine, in blocks of bounded memory; nothing approximate.

Each block of the similarity matrix serves both of its sides, and only what beats a row's standing worst neighbour is
looked at again: of n columns in any order that is k (1 + ln(n / k)) values a row, not n.
"""

from typing import Final

import numpy as np
from jaxtyping import Float32, Int64

from services.clusterer.clustering import cuda
from services.clusterer.clustering.types import Graph, Progress, silent

_BLOCK: Final = 4096  # rows: a block of cosines is 64 MiB and its GEMM long enough to reach the core's full speed


def neighbours(rows: Float32[np.ndarray, "rows dim"], k: int, progress: Progress = silent) -> Graph:
    """The k nearest other rows of each row, or all others where there are fewer; of equal ones the first rows."""
    if len(rows) > _BLOCK and cuda.present():
        return cuda.neighbours(rows, k, progress)
    best = _Best(len(rows), k)
    blocks = [np.arange(first, min(first + _BLOCK, len(rows))) for first in range(0, len(rows), _BLOCK)]
    for at, block in enumerate(blocks):
        for other in blocks[at:]:
            cosines = rows[block] @ rows[other].T  # (some, dim) @ (dim, others) -> (some, others)
            if other is block:
                np.fill_diagonal(cosines, -np.inf)
            else:
                best.offer(cosines.T, other, block)
            best.offer(cosines, block, other)
        progress(1 - (1 - (at + 1) / len(blocks)) ** 2)  # the blocks form a triangle
    return best.graph()


def renewed(
    graph: Graph, place: Int64[np.ndarray, " rows"], rows: Float32[np.ndarray, "rows dim"], progress: Progress = silent
) -> Graph:
    """The graph of these rows, from the graph of earlier ones: `place` is where a row stood in it, or -1 for a new row.

    Only new rows, and rows that lost a neighbour, are compared with all others.
    """
    best = _Best(len(rows), graph.indices.shape[1])
    stood = np.flatnonzero(place >= 0)
    now = np.full(len(graph.indices), -1, np.int32)
    now[place[stood]] = stood
    best.columns[stood] = now[graph.indices[place[stood]]]
    best.cosines[stood] = graph.cosines[place[stood]]
    lost = stood[(best.columns[stood] < 0).any(axis=1)]
    new = np.flatnonzero(place < 0)
    asking = np.concatenate([new, lost])
    best.columns[asking], best.cosines[asking] = -1, -np.inf
    settled = np.setdiff1d(stood, lost)
    for first in range(0, len(rows), _BLOCK):
        others = np.arange(first, min(first + _BLOCK, len(rows)))
        _ask(best, rows, asking, others)
        hearing = np.intersect1d(others, settled)
        for some in (new[at : at + _BLOCK] for at in range(0, len(new), _BLOCK)):
            best.offer(rows[hearing] @ rows[some].T, hearing, some)
        progress((first + len(others)) / len(rows))
    return best.graph()


def _ask(
    best: "_Best",
    rows: Float32[np.ndarray, "rows dim"],
    asking: Int64[np.ndarray, " asking"],
    others: Int64[np.ndarray, " others"],
) -> None:
    for at in range(0, len(asking), _BLOCK):
        some = asking[at : at + _BLOCK]
        cosines = rows[some] @ rows[others].T
        inside = np.flatnonzero((some >= others[0]) & (some <= others[-1]))
        cosines[inside, some[inside] - others[0]] = -np.inf  # itself
        best.offer(cosines, some, others)


class _Best:
    """The k best columns seen so far of each row: best first, equal cosines by column."""

    def __init__(self, n_rows: int, k: int) -> None:
        width = max(0, min(k, n_rows - 1))
        self.columns = np.full((n_rows, width), -1, np.int32)
        self.cosines = np.full((n_rows, width), -np.inf, np.float32)

    def offer(
        self,
        cosines: Float32[np.ndarray, "some others"],
        rows: Int64[np.ndarray, " some"],
        columns: Int64[np.ndarray, " others"],
    ) -> None:
        """Look at the cosines of these rows with these columns, which they have not seen yet; -inf counts for none."""
        k = min(self.columns.shape[1], cosines.shape[1])
        if not k or not len(rows):
            return
        worst = self.cosines[rows, -1]
        if np.isneginf(worst).all():  # nothing to beat yet: the block's own k best, and what equals the last of them
            worst = np.nextafter(np.partition(cosines, -k, axis=1)[:, -k], np.float32(-np.inf))
        some, column = np.nonzero(cosines > worst[:, None])
        if len(some):
            self._keep(some, rows, cosines[some, column], columns[column])

    def _keep(
        self,
        some: Int64[np.ndarray, " found"],
        rows: Int64[np.ndarray, " some"],
        cosines: Float32[np.ndarray, " found"],
        columns: Int64[np.ndarray, " found"],
    ) -> None:
        k = self.columns.shape[1]
        touched, of_touched = np.unique(some, return_inverse=True)
        at = rows[touched]
        # the standing k of each touched row, then the newcomers
        owner = np.concatenate([np.repeat(np.arange(len(at)), k), of_touched])
        value = np.concatenate([self.cosines[at].ravel(), cosines])
        where = np.concatenate([self.columns[at].ravel(), columns.astype(np.int32)])
        order = np.lexsort((where, -value, owner))
        starts = np.searchsorted(owner[order], np.arange(len(at)))
        kept = order[starts[:, None] + np.arange(k)]
        self.cosines[at], self.columns[at] = value[kept], where[kept]

    def graph(self) -> Graph:
        return Graph(self.columns, self.cosines)
