"""How alike a recording's windows are: within a turn, and where two voices meet. Pure numpy."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int

from services.ingest.segmenters.voices.windows import WINDOW_SAMPLES, Windows

PRIOR_PAIRS: Final = 10.0
"""How many pairs a belief weighs that was held before looking: small against a minute's hundreds, large against two."""

_USUAL_LIKENESS: Final = 0.75
"""Cosine of two 1.6 s windows of one turn where a recording has no such pair, for GE2E: what development recordings of
people have (medians of 0.65 to 0.80 for most; made voices have more, up to 0.84)."""


def likeness_in_turns(vectors: Float32[np.ndarray, "windows dim"], windows: Windows) -> float:
    """The cosine to expect of two windows of one turn that share no audio: the recording's own yardstick.

    Each window is compared with the next one before and behind it in its region, and the likelier counts: a border of
    two turns lies on one side at most, as turns are mostly longer than two windows.
    """
    found: list[float] = []
    for region in windows.of_each_region():
        rows, starts = vectors[region], windows.start_sample[region]
        step = int(np.searchsorted(starts, starts[0] + WINDOW_SAMPLES - 1))  # starts are rounded: one sample off
        if step < len(starts):
            found += _best_neighbour(rows, step).tolist()
    return (sum(found) + PRIOR_PAIRS * _USUAL_LIKENESS) / (len(found) + PRIOR_PAIRS)


def pure(
    vectors: Float32[np.ndarray, "windows dim"], windows: Windows, in_turns: float
) -> Bool[np.ndarray, " windows"]:
    """Which windows hold one voice: they are like both windows that they share half of their audio with.

    Sharing half, they must be more alike than separate windows of one turn are, unless a border runs through them.
    """
    holds_one = np.asarray(vectors.any(axis=1))  # rows of zeros hold none
    for region in windows.of_each_region():
        rows, starts = vectors[region], windows.start_sample[region]
        if len(starts) == 1:
            continue
        step = max(1, round(WINDOW_SAMPLES / 2 / int(starts[1] - starts[0])))
        if step < len(starts):
            holds_one[region] &= _worst_neighbour(rows, step) >= in_turns
    return holds_one


def _best_neighbour(rows: Float32[np.ndarray, "windows dim"], step: int) -> Float32[np.ndarray, " _found"]:
    alike = np.einsum("ij,ij->i", rows[step:], rows[:-step])
    best = np.full(len(rows), -np.inf, np.float32)
    best[step:] = alike
    best[:-step] = np.maximum(best[:-step], alike)
    return best[np.isfinite(best)]


def _worst_neighbour(rows: Float32[np.ndarray, "windows dim"], step: int) -> Float32[np.ndarray, " windows"]:
    alike = np.einsum("ij,ij->i", rows[step:], rows[:-step])
    worst = np.ones(len(rows), np.float32)
    worst[step:] = alike
    worst[:-step] = np.minimum(worst[:-step], alike)
    return worst


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of windows, and how alike they are: sums over all pairs of windows, both ways, less what they share."""

    cosines: Float64[np.ndarray, "groups groups"]
    pairs: Float64[np.ndarray, "groups groups"]
    n_windows: Int[np.ndarray, " groups"]

    @classmethod
    def of_single_windows(cls, vectors: Float32[np.ndarray, "windows dim"], windows: Windows) -> Self:
        """Each window a group of its own.

        Two windows that share a part of their audio are alike by that part besides, and say the less.
        """
        shared = windows.shared()
        wide = vectors.astype(np.float64)
        return cls(wide @ wide.T - shared, 1.0 - shared, np.ones(len(vectors), dtype=np.int64))

    def merged(self, group: Int[np.ndarray, " groups"]) -> "Groups":
        """The groups of groups numbered from 0; those of number -1 are left out."""
        member = (group[:, np.newaxis] == np.arange(group.max() + 1)).astype(np.float64)  # (groups, merged)
        return Groups(
            member.T @ self.cosines @ member,
            member.T @ self.pairs @ member,
            (member.T @ self.n_windows).astype(np.int64),
        )

    @classmethod
    def side_by_side(cls, parts: "list[Groups]", sums: Float[np.ndarray, "groups dim"]) -> Self:
        """The groups of stretches that share no audio, as one; `sums` are the sums of the groups' vectors."""
        n_windows = np.concatenate([part.n_windows for part in parts])
        wide = sums.astype(np.float64)
        cosines, pairs = wide @ wide.T, np.outer(n_windows, n_windows).astype(np.float64)
        first = 0
        for part in parts:
            block = slice(first, first + len(part.n_windows))
            cosines[block, block], pairs[block, block] = part.cosines, part.pairs
            first = block.stop
        return cls(cosines, pairs, n_windows)
