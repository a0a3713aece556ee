"""Identify labelled segments as if each were the only one that nobody had named. Pure."""

import numpy as np
from jaxtyping import Float64, Int64

from services.clusterer.identification.answer import NOBODY
from services.clusterer.identification.calibration import Calibration, Enrolled
from services.clusterer.identification.fitting import Labelled
from services.clusterer.identification.identifying import identify


def left_out(
    labelled: Labelled, calibration: Calibration
) -> tuple[Int64[np.ndarray, " asked"], Int64[np.ndarray, " asked"]]:
    """Which rows were asked about, and the speaker that each would be named, or NOBODY.

    Those are the rows of speakers who have another one: without that they could not be recognised. `speakers` are
    numbered from 0 on.
    """
    counts = np.bincount(labelled.speakers)
    everybody = Enrolled.added_up(
        labelled.rows, labelled.durations_s, [np.flatnonzero(labelled.speakers == s) for s in range(len(counts))]
    )
    asked = np.flatnonzero(counts[labelled.speakers] > 1)
    named = [_named(labelled, everybody, row, calibration) for row in asked.tolist()]
    return asked, np.array(named, np.int64)


def _named(labelled: Labelled, everybody: Enrolled, row: int, calibration: Calibration) -> int:
    own = np.arange(len(everybody.counts)) == labelled.speakers[row]
    sums: Float64[np.ndarray, "speakers dim"] = everybody.sums - np.outer(own, labelled.rows[row])
    others = Enrolled(
        sums, everybody.counts - own.astype(np.int64), everybody.seconds - own * labelled.durations_s[row]
    )
    answer = identify(labelled.rows[row : row + 1], labelled.durations_s[row : row + 1], others, calibration)
    return int(answer.nearest[0]) if len(answer.assigned()) else NOBODY
