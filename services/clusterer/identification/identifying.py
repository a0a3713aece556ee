"""Who speaks, among the named: whoever's labelled segments are nearest on average, if that is probable enough.

Ranks by mean cosine, in the space of the collection's back-end. The inner product with the mean of a speaker's scored
rows is the mean of the inner products with each, so a (sum, count) per speaker gives the very ranking of a full scan.
"""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int64

from services.clusterer.identification.answer import (
    ASSIGN_VERDICT,
    NOBODY,
    NOBODY_VERDICT,
    SUGGEST_VERDICT,
    Identified,
)
from services.clusterer.identification.calibration import Calibration, Enrolled, log_ratios
from services.clusterer.identification.reach import lowest_scores

_QUERIES_AT_ONCE: Final = 4096  # 33 MB for each table of scores with a thousand speakers

_DECIMALS: Final = 9  # of a score: far below what a score can tell, far above what adding up in another order does

NONE_FORBIDDEN: Final = np.empty((0, 2), np.int64)


def identify(
    queries: Float64[np.ndarray, "queries dim"],
    durations_s: Float64[np.ndarray, " queries"],
    enrolled: Enrolled,
    calibration: Calibration,
    forbidden: Int64[np.ndarray, "pairs 2"] = NONE_FORBIDDEN,
) -> Identified:
    """The answer for every query; no query's depends on another query.

    `queries` are scored rows, as `Backend.scored` makes them; `forbidden` are (query, speaker) that people ruled out.
    Somebody who was never named is always possible: that is as probable beforehand as any one named speaker is, times
    the number of voices.
    """
    blocks = []
    for begin in range(0, max(1, len(queries)), _QUERIES_AT_ONCE):
        rows = slice(begin, begin + _QUERIES_AT_ONCE)
        inside = (forbidden[:, 0] >= begin) & (forbidden[:, 0] < begin + _QUERIES_AT_ONCE)
        ruled_out = forbidden[inside] - np.array([begin, 0])
        blocks.append(_identify(queries[rows], durations_s[rows], enrolled, calibration, ruled_out))
    fields = ("nearest", "probability", "score", "runner_up", "margin", "verdict")
    return Identified(*(np.concatenate([getattr(b, f) for b in blocks]) for f in fields))


def identify_among(
    queries: Float64[np.ndarray, "queries dim"],
    durations_s: Float64[np.ndarray, " queries"],
    enrolled: Enrolled,
    calibration: Calibration,
    forbidden: Int64[np.ndarray, "pairs 2"] = NONE_FORBIDDEN,
) -> tuple[Int64[np.ndarray, " queries"], Float64[np.ndarray, " queries"]]:
    """The nearest of one or more speakers for every query that must be one of theirs, and how probably it is that one.

    Closed-set identification: no stranger is possible, and beforehand each speaker is as probable as any other. The
    first of equals; NOBODY, with probability 0, where all are `forbidden`.
    """
    scores = (queries @ enrolled.means().T).round(_DECIMALS)
    possible = np.ones(scores.shape, bool)
    possible[forbidden[:, 0], forbidden[:, 1]] = False
    nearest = _best(scores, possible)
    ratios = log_ratios(scores, durations_s, enrolled, calibration)
    lead = np.where(possible, ratios - ratios[np.arange(len(queries)), nearest, None], -np.inf)
    return nearest, np.where(nearest == NOBODY, 0.0, np.exp(-np.logaddexp.reduce(lead, axis=1)))


def _identify(
    queries: Float64[np.ndarray, "queries dim"],
    durations_s: Float64[np.ndarray, " queries"],
    enrolled: Enrolled,
    calibration: Calibration,
    forbidden: Int64[np.ndarray, "pairs 2"],
) -> Identified:
    if not len(enrolled.counts):
        return _nobody(len(queries))
    # (queries, dim) @ (dim, speakers) -> (queries, speakers); rounded, so that equals are equal whoever else is asked
    scores = (queries @ enrolled.means().T).round(_DECIMALS)
    counts = scores >= lowest_scores(enrolled, calibration)
    counts[forbidden[:, 0], forbidden[:, 1]] = False
    probabilities = _posteriors(log_ratios(scores, durations_s, enrolled, calibration), counts, calibration.n_voices)
    every = np.arange(len(queries))
    nearest = _best(scores, counts)
    probability = np.where(nearest == NOBODY, 0.0, probabilities[every, nearest])
    counts[every, nearest] = False
    runner_up = _best(scores, counts)
    second = np.where(runner_up == NOBODY, 0.0, probabilities[every, runner_up])
    return Identified(
        nearest,
        probability,
        np.where(nearest == NOBODY, 0.0, scores[every, nearest]),
        runner_up,
        probability - second,
        _verdicts(probability, nearest, calibration),
    )


def _posteriors(
    ratios: Float64[np.ndarray, "queries speakers"], counts: Bool[np.ndarray, "queries speakers"], n_voices: float
) -> Float64[np.ndarray, "queries speakers"]:
    """Each speaker's probability against all others who count and a stranger, who is as probable as all voices are."""
    odds = np.where(counts, ratios - np.log(n_voices), -np.inf)
    highest = np.maximum(odds.max(axis=1, keepdims=True), 0.0)  # 0: of the stranger
    shares = np.exp(odds - highest)
    found: Float64[np.ndarray, "queries speakers"] = shares / (shares.sum(axis=1, keepdims=True) + np.exp(-highest))
    return found


def _best(
    scores: Float64[np.ndarray, "queries speakers"], counts: Bool[np.ndarray, "queries speakers"]
) -> Int64[np.ndarray, " queries"]:
    """The highest of those that count, the first of equals; NOBODY where none counts."""
    best = np.where(counts, scores, -np.inf).argmax(axis=1)
    return np.where(counts.any(axis=1), best, NOBODY)


def _verdicts(
    probability: Float64[np.ndarray, " queries"], nearest: Int64[np.ndarray, " queries"], calibration: Calibration
) -> Int8[np.ndarray, " queries"]:
    sure, likely = probability >= calibration.assign, probability >= calibration.suggest
    verdicts = np.where(sure, ASSIGN_VERDICT, np.where(likely, SUGGEST_VERDICT, NOBODY_VERDICT))
    return np.where(nearest == NOBODY, NOBODY_VERDICT, verdicts).astype(np.int8)


def _nobody(n_queries: int) -> Identified:
    none, zero = np.full(n_queries, NOBODY), np.zeros(n_queries)
    return Identified(none, zero, zero, none, zero, np.full(n_queries, NOBODY_VERDICT, np.int8))
