"""Speaker verification trials: pairs of files, target or not, and EER and minDCF of their scores.

Pure: text and vectors in, numbers out.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, TypeVar

import numpy as np
from jaxtyping import Bool, Float

from shared.errors import InvalidRequest

P_TARGET: Final = 0.01
N_PARTS: Final = 3
"""VoxCeleb's lists name files as speaker/video/utterance; more of a path says where the corpus lies, not what it is."""

FileKey = tuple[str, ...]
"""The last parts of a path, three at most, the last one without its extension."""

Id = TypeVar("Id")


class BadTrials(InvalidRequest):
    """A trial list has lines of the form `1 path path` (same speaker) or `0 path path`, and at least one of each."""

    code = "bad_trials"


@dataclass(frozen=True, slots=True)
class Trial:
    """Whether two files are of one speaker."""

    target: bool
    first: FileKey
    second: FileKey


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well scores tell target from impostor trials; `n_missing` trials could not be scored."""

    eer: float
    min_dcf: float
    n_trials: int
    n_missing: int


def parse(text: str) -> list[Trial]:
    """The trials of a list; blank lines are skipped. Raises BadTrials with the line's number."""
    trials = []
    keys: dict[str, FileKey] = {}  # a list names each file many times
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        if len(words) != 3 or words[0] not in {"0", "1"}:
            raise BadTrials(f"Line {number} is no trial.")
        first, second = (keys.setdefault(path, keys.get(path) or file_key(path)) for path in words[1:])
        trials.append(Trial(words[0] == "1", first, second))
    return trials


def file_key(path: str) -> FileKey:
    """What a trial list and an object key have in common."""
    pure = PurePosixPath(path.lstrip("/"))
    return (*pure.parts[-N_PARTS:-1], pure.stem)


def match(trials: Iterable[Trial], object_keys: Mapping[str, Id]) -> dict[FileKey, Id]:
    """What each file of the trials is. A path of fewer than three parts matches by as many; an ambiguous one, nothing.

    `object_keys` maps keys to whatever identifies a recording; one recording under two keys is not ambiguous.
    """
    wanted = {key for trial in trials for key in (trial.first, trial.second)}
    found: defaultdict[FileKey, set[Id]] = defaultdict(set)
    for object_key, identity in object_keys.items():
        whole = file_key(object_key)
        for n_parts in range(1, len(whole) + 1):
            if whole[-n_parts:] in wanted:
                found[whole[-n_parts:]].add(identity)
    return {key: next(iter(identities)) for key, identities in found.items() if len(identities) == 1}


def unit(vector: Float[np.ndarray, " dim"]) -> Float[np.ndarray, " dim"]:
    """The vector at length one; a zero vector stays zero and scores 0 with everything."""
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else vector


def evaluate(trials: Iterable[Trial], vectors: Mapping[FileKey, Float[np.ndarray, " dim"]]) -> Evaluation:
    """Score each trial by the inner product of its two unit vectors.

    Raises BadTrials when one kind of trial has no score at all.
    """
    scores, targets, n_missing = [], [], 0
    for trial in trials:
        first, second = vectors.get(trial.first), vectors.get(trial.second)
        if first is None or second is None:
            n_missing += 1
            continue
        scores.append(float(first @ second))
        targets.append(trial.target)
    if not any(targets) or all(targets):
        raise BadTrials(f"{len(scores)} trials could be scored, {n_missing} have no vectors; one kind is missing.")
    rates = error_rates(np.array(scores), np.array(targets))
    return Evaluation(equal_error_rate(rates), min_dcf(rates), len(scores), n_missing)


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
