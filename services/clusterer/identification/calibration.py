"""How a score becomes a probability: the few numbers that say so, and the model they belong to.

A segment is its speaker's voice plus chance, and chance has a variance that falls with duration: of a segment of d
seconds, the share d / (d + half_s) of its variance is voice (its reliability, as test theory has it: Spearman 1910).
The score of a segment with its own speaker is therefore expected at the root of the product of both reliabilities,
`expected` below; that with another speaker at zero, spread the less the more segments the speaker has. Two normal
distributions of equal spread with these means make the log likelihood ratio linear in the score:

    sharpness * expected / spread * (score - typical * expected / 2)

So a probability rises with the score; and among segments that score as expected, with duration.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, Self

import numpy as np
from jaxtyping import Float64, Int64

ASSIGN: Final = 0.95
SUGGEST: Final = 0.5


@dataclass(frozen=True, slots=True)
class Calibration:
    """Of one collection in one space. What is named is a function of it: it changes only when it is fitted again."""

    sharpness: float  # one over the variance of scores, in units of a speaker with one segment; above 0
    typical: float  # what share of the expected score a speaker's own segments reach; above 0
    half_s: float  # seconds of speech of which half is voice and half is chance
    n_voices: float  # a segment is as probably of any named speaker as of any other of so many voices; 1 or more
    n_speakers: int  # whose labels it was fitted to; with 0, it comes from scores without labels
    assign: float = ASSIGN  # probability from which on a segment is named without asking
    suggest: float = SUGGEST  # probability from which on a person is asked

    def to_json(self) -> str:
        """What `from_json` reads; about 150 characters."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, stored: str) -> Self:
        """The calibration that was stored."""
        return cls(**json.loads(stored))


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The labelled segments of each speaker, added up: scored rows (see shared.scoring), how many, how long."""

    sums: Float64[np.ndarray, "speakers dim"]
    counts: Int64[np.ndarray, " speakers"]  # 1 or more
    seconds: Float64[np.ndarray, " speakers"]  # of all of them together

    @classmethod
    def added_up(
        cls,
        rows: Float64[np.ndarray, "rows dim"],
        durations_s: Float64[np.ndarray, " rows"],
        of_whom: Sequence[Sequence[int] | Int64[np.ndarray, " own"]],
    ) -> Self:
        """Out of scored rows; speaker i has the rows `of_whom[i]`, one or more."""
        return cls(
            np.array([rows[own].sum(axis=0) for own in of_whom]).reshape(-1, rows.shape[1]),
            np.array([len(own) for own in of_whom], np.int64),
            np.array([durations_s[own].sum() for own in of_whom], np.float64),
        )

    def means(self) -> Float64[np.ndarray, "speakers dim"]:
        """What a query's inner product is taken with: the mean of its scores with every labelled segment."""
        averages: Float64[np.ndarray, "speakers dim"] = self.sums / self.counts[:, None]
        return averages


def reliability(durations_s: Float64[np.ndarray, " n"], half_s: float) -> Float64[np.ndarray, " n"]:
    """The share of voice in segments of these durations, 0 to 1."""
    shares: Float64[np.ndarray, " n"] = durations_s / (durations_s + half_s)
    return shares


def spreads(
    reliabilities: Float64[np.ndarray, " speakers"], counts: Int64[np.ndarray, " speakers"]
) -> Float64[np.ndarray, " speakers"]:
    """The variance of scores with each speaker, against that with a speaker of one segment: 1 or less."""
    variances: Float64[np.ndarray, " speakers"] = reliabilities + (1 - reliabilities) / counts
    return variances


def log_ratios(
    scores: Float64[np.ndarray, "queries speakers"],
    durations_s: Float64[np.ndarray, " queries"],
    enrolled: Enrolled,
    calibration: Calibration,
) -> Float64[np.ndarray, "queries speakers"]:
    """How many times as probable each score is if the query is that speaker's than if not; natural logarithms."""
    own = reliability(enrolled.seconds / enrolled.counts, calibration.half_s)
    expected = np.sqrt(np.outer(reliability(durations_s, calibration.half_s), own))  # (queries, speakers)
    slopes = calibration.sharpness * expected / spreads(own, enrolled.counts)
    found: Float64[np.ndarray, "queries speakers"] = slopes * (scores - calibration.typical * expected / 2)
    return found
