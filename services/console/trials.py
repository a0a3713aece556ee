"""Speaker verification trials: pairs of files, target or not, and EER and minDCF of their scores.

Pure: text and vectors in, numbers out.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, TypeVar

import numpy as np
from jaxtyping import Float

from shared.errors import InvalidRequest
from shared.scoring.verification import equal_error_rate, error_rates, min_dcf

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


def missing(trials: Iterable[Trial], vectors: Mapping[FileKey, object]) -> list[FileKey]:
    """The files of the trials that have no vector: of no recording, of one that has none, or of several recordings."""
    return sorted({key for trial in trials for key in (trial.first, trial.second)} - vectors.keys())


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
