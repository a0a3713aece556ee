"""Exact nearest neighbours of unit rows by cosine, in blocks of bounded memory; nothing approximate.

Each block of the similarity matrix serves both of its sides, and only what beats a row's standing worst neighbour is
looked at again: of n columns in any order that is k (1 + ln(n / k)) values a row, not n.
"""

from typing import Final

import numpy as np
from jaxtyping import Float32, Int64

from services.clusterer.clustering import cuda, faiss_exact
from services.clusterer.clustering.types import Graph, Progress, silent

_BLOCK: Final = 4096  # rows: a block of cosines is 64 MiB and its GEMM long enough to reach the core's full speed
_CHUNKS: Final = 8  # for each neighbour, when the k best of a block are sought; by more no fewer values are kept


def neighbours(rows: Float32[np.ndarray, "rows dim"], k: int, progress: Progress = silent) -> Graph:
    """The k nearest other rows of each row, or all others where there are fewer; of equal ones the first rows."""
    if len(rows) > _BLOCK and cuda.present():
        return cuda.neighbours(rows, k, progress)
    if len(rows) > _BLOCK and faiss_exact.present():
        return faiss_exact.neighbours(rows, k, progress)
    return _by_blocks(rows, k, progress)


def _by_blocks(rows: Float32[np.ndarray, "rows dim"], k: int, progress: Progress) -> Graph:
    best = _Best(len(rows), k)
    blocks = _blocks(len(rows))
    for at, block in enumerate(blocks):
        for other in blocks[at:]:
            cosines = rows[_span(block)] @ rows[_span(other)].T  # (some, dim) @ (dim, others) -> (some, others)
            if other is block:
                np.fill_diagonal(cosines, -np.inf)
            else:
                best.offer_back(cosines, block, other)
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
    best.columns[lost], best.cosines[lost] = -1, -np.inf
    settled = np.ones(len(rows), bool)
    settled[lost] = settled[place < 0] = False
    new = np.flatnonzero(place < 0)
    for others in _blocks(len(rows)):
        for some in (new[at : at + _BLOCK] for at in range(0, len(new), _BLOCK)):
            cosines = _cosines_with_others(rows, some, others)
            best.offer(cosines, some, others)
            hearing = settled[_span(others)]
            best.offer_back(cosines if hearing.all() else cosines[:, hearing], some, others[hearing])
        for some in (lost[at : at + _BLOCK] for at in range(0, len(lost), _BLOCK)):
            best.offer(_cosines_with_others(rows, some, others), some, others)
        progress((int(others[-1]) + 1) / len(rows))
    return best.graph()


def _blocks(n_rows: int) -> list[Int64[np.ndarray, " block"]]:
    return [np.arange(first, min(first + _BLOCK, n_rows)) for first in range(0, n_rows, _BLOCK)]


def _span(block: Int64[np.ndarray, " block"]) -> slice:
    """The same rows without a copy of them."""
    return slice(int(block[0]), int(block[-1]) + 1)


def _cosines_with_others(
    rows: Float32[np.ndarray, "rows dim"], some: Int64[np.ndarray, " some"], others: Int64[np.ndarray, " others"]
) -> Float32[np.ndarray, "some others"]:
    """Cosines of some rows with a block of others; -inf with itself."""
    cosines: Float32[np.ndarray, "some others"] = rows[some] @ rows[_span(others)].T
    inside = np.flatnonzero((some >= others[0]) & (some <= others[-1]))
    cosines[inside, some[inside] - others[0]] = -np.inf
    return cosines


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
        if cosines.size and self.columns.shape[1]:
            beaten = self._to_beat(cosines, rows, axis=1)
            found = np.flatnonzero(cosines > beaten[:, None])
            some, column = np.divmod(found, cosines.shape[1])
            self._keep(some, rows, cosines.ravel()[found], columns[column])

    def offer_back(
        self,
        cosines: Float32[np.ndarray, "some others"],
        rows: Int64[np.ndarray, " some"],
        columns: Int64[np.ndarray, " others"],
    ) -> None:
        """As `offer`, of the columns with the rows: the other side of the same block."""
        if cosines.size and self.columns.shape[1]:
            beaten = self._to_beat(cosines, columns, axis=0)
            found = np.flatnonzero(cosines > beaten)
            row, some = np.divmod(found, cosines.shape[1])
            self._keep(some, columns, cosines.ravel()[found], rows[row])

    def _to_beat(
        self, cosines: Float32[np.ndarray, "some others"], rows: Int64[np.ndarray, " those"], axis: int
    ) -> Float32[np.ndarray, " those"]:
        """Each row's worst standing cosine; where nothing stands, just below the block's own k best or a bit lower."""
        worst = np.ascontiguousarray(self.cosines[rows, -1])  # comparing with a strided array is slow
        if np.isneginf(worst).all():
            worst = np.nextafter(_at_most_kth(cosines, self.columns.shape[1], axis), np.float32(-np.inf))
        return worst

    def _keep(
        self,
        some: Int64[np.ndarray, " found"],
        rows: Int64[np.ndarray, " some"],
        cosines: Float32[np.ndarray, " found"],
        columns: Int64[np.ndarray, " found"],
    ) -> None:
        if not len(some):
            return
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


def _at_most_kth(cosines: Float32[np.ndarray, "some others"], k: int, axis: int) -> Float32[np.ndarray, " those"]:
    """No more than the k-th highest along the axis, and little less: the k-th highest among the highest of chunks."""
    along = cosines.shape[axis]
    length = max(1, along // (_CHUNKS * k))
    n_chunks = along // length
    if n_chunks < k:
        lowest: Float32[np.ndarray, " those"] = np.full(cosines.shape[1 - axis], -np.inf, np.float32)
        return lowest
    if axis:
        highest = cosines[:, : length * n_chunks].reshape(-1, length, n_chunks).max(axis=1)
    else:
        highest = cosines[: length * n_chunks].reshape(length, n_chunks, -1).max(axis=0).T
    return np.ascontiguousarray(np.partition(highest, -k, axis=1)[:, -k])
