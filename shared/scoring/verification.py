"""How well scores tell pairs of one speaker from pairs of two: error rates, EER and minDCF."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

P_TARGET: Final = 0.01


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """Both error rates at every threshold that makes a difference, from accepting everything to nothing."""

    miss: Float[np.ndarray, " thresholds"]
    false_alarm: Float[np.ndarray, " thresholds"]


def error_rates(scores: Float[np.ndarray, " trials"], targets: Bool[np.ndarray, " trials"]) -> ErrorRates:
    """Equal scores are accepted or refused together: no threshold lies between them."""
    order = np.argsort(scores, kind="stable")
    ranked, is_target = scores[order], targets[order]
    last_of_its_score = np.append(np.diff(ranked) > 0, True)
    refused_targets = np.cumsum(is_target)[last_of_its_score]
    refused_impostors = np.cumsum(~is_target)[last_of_its_score]
    miss = np.concatenate([[0.0], refused_targets / is_target.sum()])
    false_alarm = np.concatenate([[1.0], 1 - refused_impostors / (~is_target).sum()])
    return ErrorRates(miss, false_alarm)


def equal_error_rate(rates: ErrorRates) -> float:
    """Where the two rates cross, on the straight line between the thresholds on either side."""
    after = int(np.argmax(rates.miss >= rates.false_alarm))  # miss ends at 1 and false alarm at 0: there is a crossing
    gap_before = rates.false_alarm[after - 1] - rates.miss[after - 1]
    gap_after = rates.miss[after] - rates.false_alarm[after]
    share = gap_before / (gap_before + gap_after)
    return float(rates.miss[after - 1] + share * (rates.miss[after] - rates.miss[after - 1]))


def min_dcf(rates: ErrorRates, p_target: float = P_TARGET) -> float:
    """The smallest detection cost with both errors at cost 1, over that of the better of accepting all or nothing.

    Source: NIST Speaker Recognition Evaluation 2016 plan, section 3.1.
    """
    cost = p_target * rates.miss + (1 - p_target) * rates.false_alarm
    return float(cost.min() / min(p_target, 1 - p_target))
