"""What identification answers: for each query a name, a question, or nobody."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64, Int8, Int64

NOBODY: Final = -1

ASSIGN_VERDICT: Final = 2
SUGGEST_VERDICT: Final = 1
NOBODY_VERDICT: Final = 0


@dataclass(frozen=True, slots=True)
class Identified:
    """Row i answers query i. Speakers are rows of what was enrolled, or NOBODY.

    `nearest` has the highest mean cosine of those that count for the query, `runner_up` the next highest. Whether
    `nearest` is the answer says `verdict`.
    """

    nearest: Int64[np.ndarray, " queries"]
    probability: Float64[np.ndarray, " queries"]  # that the query is of `nearest`; 0 if there is none
    score: Float64[np.ndarray, " queries"]  # with `nearest`; 0 if there is none
    runner_up: Int64[np.ndarray, " queries"]
    margin: Float64[np.ndarray, " queries"]  # probability of `nearest` less that of `runner_up`
    verdict: Int8[np.ndarray, " queries"]

    def speaker(self) -> Int64[np.ndarray, " queries"]:
        """Who may be assigned or suggested, or NOBODY."""
        return np.where(self.verdict == NOBODY_VERDICT, NOBODY, self.nearest)

    def assigned(self) -> Int64[np.ndarray, " assigned"]:
        """The queries that are named without asking."""
        return np.flatnonzero(self.verdict == ASSIGN_VERDICT)

    def suggested(self) -> Int64[np.ndarray, " suggested"]:
        """The queries that a person is asked about."""
        return np.flatnonzero(self.verdict == SUGGEST_VERDICT)
