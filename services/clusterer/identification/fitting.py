"""Fit a calibration: to a collection's own scores before anybody named anyone, and to labels as they come.

The prior comes from scores without labels: most pairs of rows that are not in one first-neighbour group are of two
voices, so the median of their scores' absolute values tells the spread of impostor scores, as it does for normal scores
about zero. Where one voice is nearly all there is, it comes out far too large, and the calibration too careful, as it
should be: nothing then says what another voice would score. Labels move it: every speaker with two labelled segments is
worth one observation, against a prior that is uncertain by a factor of two in sharpness and a quarter in `typical`.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int64

from services.clusterer.identification.calibration import Calibration, reliability, spreads
from shared.scoring import groups

_HALF_OF_SHORTEST: Final = 1.5  # at the shortest duration that says much of a voice, 0.4 of a segment is voice
_CAREFUL: Final = 1.5  # own scores scatter too: between 1, as if they did not, and 2, where both variances add up
_PRIOR_ROWS, _PRIOR_SPREAD = 10.0, 0.3  # before there are rows: as careful as if so many had shown so wide a spread
_MEDIAN_OF_NORMAL: Final = 0.6745  # of the absolute value, at spread one
_SHARPNESS_FACTOR, _TYPICAL_SIGMA = 2.0, 0.25
_LEAST_TYPICAL: Final = 0.25
_GRID: Final = np.linspace(-3.0, 3.0, 25)  # standard deviations of the prior


@dataclass(frozen=True, slots=True)
class Labelled:
    """Scored rows that people named, at most some thousands."""

    rows: Float64[np.ndarray, "rows dim"]
    durations_s: Float64[np.ndarray, " rows"]
    speakers: Int64[np.ndarray, " rows"]  # any numbers; equal ones are one speaker


def before_labels(sample: Float64[np.ndarray, "rows dim"], n_voices: float, min_duration_s: float) -> Calibration:
    """The prior, from scored rows of the collection and from what the encoder says of itself (`min_duration_s`).

    The median absolute deviation as a measure of spread: Rousseeuw and Croux, "Alternatives to the median absolute
    deviation" (1993), section 1.
    """
    variance, n_rows = _PRIOR_SPREAD**2, _PRIOR_ROWS
    across = _scores_across_groups(sample) if len(sample) >= 2 else np.empty(0)
    if len(across):
        seen = (float(np.median(np.abs(across))) / _MEDIAN_OF_NORMAL) ** 2
        variance = (n_rows * variance + len(sample) * seen) / (n_rows + len(sample))
    return Calibration(
        sharpness=1 / variance / _CAREFUL,
        typical=1.0,
        half_s=_HALF_OF_SHORTEST * min_duration_s,
        n_voices=max(1.0, n_voices),
        n_speakers=0,
    )


def fit(prior: Calibration, labelled: Labelled) -> Calibration:
    """The most probable calibration after the labels; the prior itself without a speaker of two labelled segments.

    Each labelled segment is scored against its own speaker without it, and against all others: what identification
    would have seen. Both kinds weigh as their prior has it: prior-weighted logistic regression, Bruemmer and others,
    "Fusion of heterogeneous speaker recognition systems in the STBU submission for the NIST SRE 2006" (2007).
    """
    trials = _trials(labelled, prior.half_s)
    if trials is None:
        return prior
    best = _most_probable(trials, prior)
    n_named = len(np.unique(labelled.speakers))
    return replace(
        prior,
        sharpness=prior.sharpness * _SHARPNESS_FACTOR ** best[0],
        typical=max(_LEAST_TYPICAL, prior.typical + _TYPICAL_SIGMA * best[1]),
        n_voices=max(prior.n_voices, float(n_named)),
        n_speakers=trials.n_speakers,
    )


@dataclass(frozen=True, slots=True)
class _Trials:
    """Scores of labelled segments with speakers; the log ratio is sharpness * (lever * (score - typical * middle))."""

    scores: Float64[np.ndarray, " trials"]
    middles: Float64[np.ndarray, " trials"]
    levers: Float64[np.ndarray, " trials"]
    targets: Bool[np.ndarray, " trials"]
    n_speakers: int  # with two labelled segments or more


def _trials(labelled: Labelled, half_s: float) -> _Trials | None:
    """Every labelled segment against every speaker; None where no speaker has a second segment, or all are one's."""
    _, own, counts = np.unique(labelled.speakers, return_inverse=True, return_counts=True)
    repeated = counts[own] > 1
    if len(counts) < 2 or not repeated.any():
        return None
    sums = groups.means(labelled.rows, own) * counts[:, None]
    seconds = np.bincount(own, labelled.durations_s)
    n_rows, every = len(own), np.arange(len(own))
    totals = labelled.rows @ sums.T  # (rows, speakers): of the scores with each of the speaker's segments
    n_others = np.tile(counts, (n_rows, 1))
    others_s = np.tile(seconds, (n_rows, 1))
    is_own = np.zeros((n_rows, len(counts)), bool)
    is_own[every, own] = True
    totals[every, own] -= (labelled.rows**2).sum(axis=1)  # a segment is no evidence for itself
    n_others[every, own] -= 1
    others_s[every, own] -= labelled.durations_s
    asked = n_others > 0
    enrolled = reliability(others_s[asked] / n_others[asked], half_s)
    rows = np.broadcast_to(every[:, None], asked.shape)[asked]
    expected = np.sqrt(reliability(labelled.durations_s, half_s)[rows] * enrolled)
    return _Trials(
        scores=totals[asked] / n_others[asked],
        middles=expected / 2,
        levers=expected / spreads(enrolled, n_others[asked]),
        targets=is_own[asked],
        n_speakers=int((counts > 1).sum()),
    )


def _most_probable(trials: _Trials, prior: Calibration) -> tuple[float, float]:
    """Sharpness and `typical` in the prior's standard deviations, on a grid: two numbers need no optimiser."""
    p_target = 1 / (1 + prior.n_voices)  # as identification has it: calibrated where decisions fall
    n_targets = int(trials.targets.sum())
    n_impostors = len(trials.targets) - n_targets
    weights = np.where(trials.targets, p_target / n_targets, (1 - p_target) / n_impostors)
    weights /= _entropy_bits(p_target)  # one speaker's surprise is one bit where scores say nothing
    signs = np.where(trials.targets, -1.0, 1.0)
    # The log odds are linear in sharpness and in sharpness * typical: two products for each trial serve the whole grid.
    rising, falling = signs * trials.levers * trials.scores, signs * trials.levers * trials.middles
    against = -signs * np.log(prior.n_voices)
    best, least = (0.0, 0.0), np.inf
    for sharper in _GRID:
        sharpness = prior.sharpness * _SHARPNESS_FACTOR**sharper
        for dearer in _GRID:
            typical = max(_LEAST_TYPICAL, prior.typical + _TYPICAL_SIGMA * dearer)
            surprise = weights @ np.logaddexp(0.0, sharpness * (rising - typical * falling) + against)
            cost = trials.n_speakers * surprise + (sharper**2 + dearer**2) / 2
            if cost < least:
                best, least = (float(sharper), float(dearer)), float(cost)
    return best


def _entropy_bits(p: float) -> float:
    return float(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)))


def _scores_across_groups(sample: Float64[np.ndarray, "rows dim"]) -> Float64[np.ndarray, " pairs"]:
    """The scores of all pairs of rows that are not in one first-neighbour group."""
    found = groups.connected(groups.first_neighbours(sample))
    across = np.triu(found[:, None] != found[None, :], k=1)
    scores: Float64[np.ndarray, " pairs"] = (sample @ sample.T)[across]
    return scores
