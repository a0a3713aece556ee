"""What is kept between runs: when it still serves, how it follows its rows, and how it is stored."""

import io
from typing import Final

import numpy as np
from jaxtyping import Float32, Int32, Int64, UInt8

from services.clusterer.clustering import density
from services.clusterer.clustering.neighbours import renewed
from services.clusterer.clustering.types import Graph, Merges, Progress, State, silent

_CHEAP: Final = 4096  # rows: one block of cosines; a fresh start costs a second
_FORMAT: Final = 2  # raise it when fields or their meaning change; another format is as good as none


def still_good(before: State, ids: UInt8[np.ndarray, "rows 16"]) -> bool:
    """Whether to go on from it: not for few rows, nor once most rows are not those that mean and cut were chosen for.

    A fresh start at each doubling costs a collection that grows at most as much again as its last fresh start.
    """
    if len(ids) <= _CHEAP or len(before.ids) <= _CHEAP:
        return False
    stayed = int((_places(before.ids, ids) >= 0).sum())
    return 2 * stayed >= len(before.ids) and len(ids) < 2 * before.n_begun and 2 * len(ids) > before.n_begun


def carried(
    before: State,
    ids: UInt8[np.ndarray, "rows 16"],
    turned: Float32[np.ndarray, "rows dim"],
    progress: Progress = silent,
) -> tuple[Graph, Merges, Merges]:
    """The graph of these rows, the certain joins whose rows are all still there, and the spanning tree.

    The tree may have rested on any row: once one is gone, the graph's pieces are joined anew, which compares all rows.
    """
    place = _places(before.ids, ids)
    graph = renewed(before.graph, place, turned, progress)
    now = np.full(len(before.ids), -1, np.int32)
    now[place[place >= 0]] = np.flatnonzero(place >= 0)
    if not before.by_density:
        tree = before.tree
    elif (now >= 0).all():
        tree = density.grown(turned, graph, density.Known(_followed(before.tree, now), np.flatnonzero(place < 0)))
    else:
        tree = density.grown(turned, graph)
    return graph, _followed(before.joined, now), tree


def _followed(joins: Merges, now: Int32[np.ndarray, " before"]) -> Merges:
    left, right = now[joins.left], now[joins.right]
    both = (left >= 0) & (right >= 0)
    return Merges(left[both], right[both], joins.cosines[both])


def _places(known: UInt8[np.ndarray, "known 16"], ids: UInt8[np.ndarray, "rows 16"]) -> Int64[np.ndarray, " rows"]:
    """Where each id stands among the known ones, or -1."""
    where = {key: at for at, key in enumerate(_keys(known))}
    return np.array([where.get(key, -1) for key in _keys(ids)], np.int64)


def _keys(ids: UInt8[np.ndarray, "rows 16"]) -> list[bytes]:
    packed = ids.tobytes()
    return [packed[at : at + 16] for at in range(0, len(packed), 16)]


def to_bytes(state: State) -> bytes:
    """The state as an .npz archive without pickles."""
    target = io.BytesIO()
    np.savez(
        target,
        format=_FORMAT,
        ids=state.ids,
        indices=state.graph.indices,
        cosines=state.graph.cosines,
        left=state.joined.left,
        right=state.joined.right,
        heights=state.joined.cosines,
        mean=state.mean,
        cut=state.cut,
        by_density=state.by_density,
        tree_left=state.tree.left,
        tree_right=state.tree.right,
        tree_cosines=state.tree.cosines,
        n_begun=state.n_begun,
    )
    return target.getvalue()


def from_bytes(stored: bytes) -> State | None:
    """The state again, or None if another version wrote it."""
    with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
        if int(arrays["format"]) != _FORMAT:
            return None
        return State(
            ids=arrays["ids"],
            graph=Graph(arrays["indices"], arrays["cosines"]),
            joined=Merges(arrays["left"], arrays["right"], arrays["heights"]),
            mean=arrays["mean"],
            cut=float(arrays["cut"]),
            by_density=bool(arrays["by_density"]),
            tree=Merges(arrays["tree_left"], arrays["tree_right"], arrays["tree_cosines"]),
            n_begun=int(arrays["n_begun"]),
        )
