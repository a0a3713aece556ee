"""How sure a model must be that a frame is speech, told from the recording's own noise floor. Pure."""

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float, Float64

from services.ingest.segmenters.speech import SMOOTHING_FRAMES, SpeechRules, smoothed, spans_from_probabilities

_STRONG_ODDS: Final = 20.0
"""Chosen among 7, 12, 20 and 33 on development recordings; 20 is also where Kass and Raftery, "Bayes factors", J. Am.
Stat. Assoc. 90 (1995), call evidence strong. From 14 to 26 the error moves by 0.2 points on mixes, 0.9 on meetings."""

_TURN_PAUSE_S: Final = 0.3
"""A shorter pause of one speaker is no break: NIST, "Rich Transcription meeting recognition evaluation plan" (2009)."""

_LEAST_PROBABILITY: Final = 1e-7  # float32 cannot tell less from zero where it is added to one
_DEFAULT: Final = SpeechRules()


def adapted(
    probabilities: Float[np.ndarray, " frames"], n_samples: int
) -> tuple[Float64[np.ndarray, " frames"], SpeechRules]:
    """The curve to take spans from, and the rules that fit the recording.

    Quiet, far-field speech leaves a voice activity model unsure: its probabilities are low, yet well above those of
    the room. So frames whose odds are below 1:20 are taken for the room, the middle one of them for its floor, and a
    frame is speech if its odds are 20 times the floor's; they must be 1:20 at least, and even odds are always enough,
    as in the library's own rule. A recording in which that rule finds nothing at all keeps it: noise must not be taken
    for far-away speech because nothing in it is louder.

    Evidence is averaged as log odds over 160 ms, and pauses shorter than 0.3 s do not part spans.
    """
    log_odds = smoothed(_log_odds(probabilities), SMOOTHING_FRAMES)
    curve = 1 / (1 + np.exp(-log_odds))
    rules = replace(_DEFAULT, exit_threshold=_DEFAULT.threshold, min_silence_s=_TURN_PAUSE_S)
    if not spans_from_probabilities(curve, n_samples, replace(rules, min_silence_s=_DEFAULT.min_silence_s)):
        return curve, rules
    threshold = float(1 / (1 + np.exp(-_threshold_log_odds(log_odds))))
    return curve, replace(rules, threshold=threshold, exit_threshold=threshold)


def _threshold_log_odds(log_odds: Float64[np.ndarray, " frames"]) -> float:
    strong = float(np.log(_STRONG_ODDS))
    room = log_odds[log_odds < -strong]
    return -strong if room.size == 0 else max(-strong, float(np.median(room)) + strong)  # even odds at most


def _log_odds(probabilities: Float[np.ndarray, " frames"]) -> Float64[np.ndarray, " frames"]:
    bounded = np.clip(probabilities.astype(np.float64), _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    return np.log(bounded / (1 - bounded))
