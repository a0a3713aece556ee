"""How near a segment must be to a speaker to be asked about at all; and whom a change of one speaker can touch."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from services.clusterer.identification.answer import Identified
from services.clusterer.identification.calibration import Calibration, Enrolled, reliability, spreads
from shared.scoring.backend import Backend

_ROUNDING: Final = 1e-4  # more than what float32 loses in an inner product of unit vectors of a few hundred dimensions


def lowest_scores(enrolled: Enrolled, calibration: Calibration) -> Float64[np.ndarray, " speakers"]:
    """The score with each speaker below which no segment of any duration is even suggested; 0 or more.

    A speaker counts for a segment, as its best, its second, or a competitor, from this score on only.
    """
    own = reliability(enrolled.seconds / enrolled.counts, calibration.half_s)
    wanted = np.log(calibration.suggest / (1 - calibration.suggest)) + np.log(calibration.n_voices)
    needed = max(0.0, float(wanted)) * spreads(own, enrolled.counts) / calibration.sharpness
    # The log ratio is highest where the expected score is that over `typical`, or where it is highest itself.
    freely = np.sqrt(2 * calibration.typical * needed)
    highest = np.sqrt(own)  # of a query that lasts for ever
    with np.errstate(divide="ignore", invalid="ignore"):
        at_highest = needed / highest + calibration.typical * highest / 2
    return np.where(freely <= calibration.typical * highest, freely, at_highest)


@dataclass(frozen=True, slots=True)
class Near:
    """Where to look in the encoder's own space: rows whose inner product with a direction is at least its bound."""

    directions: Float32[np.ndarray, "speakers dim"]
    bounds: Float64[np.ndarray, " speakers"]

    def holds(self, rows: Float32[np.ndarray, "rows dim"]) -> Bool[np.ndarray, " rows"]:
        """Whether each unit row is near to any of the speakers."""
        found: Bool[np.ndarray, " rows"] = (rows @ self.directions.T >= self.bounds).any(axis=1)
        return found


def near(enrolled: Enrolled, calibration: Calibration, backend: Backend) -> Near:
    """Everybody for whom one of these speakers counts is near; most others are not.

    For a row x, the score with a mean m is at most (x - offset) . Wm / reach, if it is positive at all.
    """
    directions = enrolled.means() @ backend.whitening  # symmetric
    bounds = directions @ backend.offset + lowest_scores(enrolled, calibration) * backend.reach
    return Near(directions.astype(np.float32), bounds - _ROUNDING)


def affected(
    before: Identified,
    queries: Float64[np.ndarray, "queries dim"],
    changed: Int64[np.ndarray, " changed"],
    was: Enrolled,
    now: Enrolled,
    calibration: Calibration,
) -> Bool[np.ndarray, " queries"]:
    """The queries whose answer can differ after some speakers changed; all others keep theirs to the last bit.

    `was` and `now` are the changed speakers alone, before and after; one who is new, or gone, is missing on that side.
    """
    touched = np.isin(before.nearest, changed) | np.isin(before.runner_up, changed)
    for enrolled in (was, now):
        if len(enrolled.counts):
            scores = queries @ enrolled.means().T
            touched |= (scores >= lowest_scores(enrolled, calibration)).any(axis=1)
    return touched
