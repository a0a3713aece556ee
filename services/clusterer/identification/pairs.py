"""Verification trials out of labelled segments: all pairs of them, or a fair draw of so many. Pure."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int64

MOST_PAIRS: Final = 1_000_000
_AT_ONCE: Final = 65_536  # 134 MB of rows at 256 dimensions


@dataclass(frozen=True, slots=True)
class Pairs:
    """Two rows each, in no order, no pair twice."""

    first: Int64[np.ndarray, " pairs"]
    second: Int64[np.ndarray, " pairs"]
    drawn: bool  # not all that there are

    def scores(self, rows: Float64[np.ndarray, "rows dim"]) -> Float64[np.ndarray, " pairs"]:
        """The inner product of the two rows of each."""
        found: Float64[np.ndarray, " pairs"] = np.empty(len(self.first))
        for begin in range(0, len(found), _AT_ONCE):
            block = slice(begin, begin + _AT_ONCE)
            found[block] = np.einsum("pd,pd->p", rows[self.first[block]], rows[self.second[block]])
        return found

    def targets(self, speakers: Int64[np.ndarray, " rows"]) -> Bool[np.ndarray, " pairs"]:
        """Whether both rows are one speaker's."""
        same: Bool[np.ndarray, " pairs"] = speakers[self.first] == speakers[self.second]
        return same


def pairs_of(n_rows: int, rng: np.random.Generator, most: int = MOST_PAIRS) -> Pairs:
    """All pairs of so many rows, or `most` of them, each as probably as any other."""
    n_pairs = n_rows * (n_rows - 1) // 2
    numbers = np.arange(n_pairs) if n_pairs <= most else rng.choice(n_pairs, most, replace=False, shuffle=False)
    second = np.floor((1 + np.sqrt(1 + 8 * numbers.astype(np.float64))) / 2).astype(np.int64)
    return Pairs(numbers - second * (second - 1) // 2, second, drawn=n_pairs > most)
