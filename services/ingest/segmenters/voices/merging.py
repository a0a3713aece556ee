"""Merge groups of windows into voices, most alike first. Pure numpy.

Two groups are as alike as their speakers' voices times what a window tells of its speaker: the mean cosine between the
groups is divided by the geometric mean of those within them, which is the correction for attenuation of Spearman, "The
proof and measurement of association between two things", Am. J. Psychol. 15 (1904). What is left does not depend on
how noisy the recording is, and can be held against the encoder's own threshold for telling voices apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int

from services.ingest.segmenters.protocol import Hints
from services.ingest.segmenters.voices.likeness import PRIOR_PAIRS, Groups

MIN_WINDOWS: Final = 2
"""A voice is heard in two windows at least that hold nobody else: one alone may be a cough or a chair. Of 1, 2 and 3,
2 was best on development recordings; the error moves by 0.3 points on mixes and by 0.5 on meetings."""

_NEVER: Final = -np.inf
_TINY: Final = 1e-9  # instead of a division by zero


@dataclass(frozen=True, slots=True)
class Merge:
    """`gone` became part of `kept`, to which it was this alike."""

    kept: int
    gone: int
    likeness: float


def merges(groups: Groups, in_turns: float) -> list[Merge]:
    """All merges down to one group, in order; `in_turns` is what the likeness within a group is believed to be.

    Average linkage in all but the division: agglomerative clustering takes one pair at a time, the most alike one.
    """
    cosines, pairs = groups.cosines.copy(), groups.pairs.copy()
    alive = np.ones(len(cosines), dtype=bool)
    alike = np.stack([_likeness(cosines, pairs, alive, group, in_turns) for group in range(len(cosines))])
    done: list[Merge] = []
    for _ in range(len(cosines) - 1):
        kept, gone = divmod(int(np.argmax(alike)), len(alike))
        done.append(Merge(kept, gone, float(alike[kept, gone])))
        alive[gone] = False
        for sums in (cosines, pairs):
            sums[kept] += sums[gone]
            sums[:, kept] += sums[:, gone]
        alike[gone] = alike[:, gone] = _NEVER
        alike[kept] = alike[:, kept] = _likeness(cosines, pairs, alive, kept, in_turns)
    return done


def _likeness(
    cosines: Float64[np.ndarray, "groups groups"],
    pairs: Float64[np.ndarray, "groups groups"],
    alive: Bool[np.ndarray, " groups"],
    group: int,
    in_turns: float,
) -> Float64[np.ndarray, " groups"]:
    """How alike a group is to each other one."""
    within = (cosines.diagonal() + PRIOR_PAIRS * in_turns) / (pairs.diagonal() + PRIOR_PAIRS)
    between = cosines[group] / np.maximum(pairs[group], _TINY)
    alike = between / np.sqrt(np.maximum(within * within[group], _TINY))
    others = alive.copy()
    others[group] = False
    return np.where(others, alike, _NEVER)


def voices(
    n_windows: Int[np.ndarray, " groups"], done: Sequence[Merge], threshold: float, hints: Hints
) -> Int[np.ndarray, " groups"]:
    """The voice of each group, numbered from 0; -1 for what is heard in too few windows to be one.

    Merging ends where no two groups are as alike as the threshold, or later or earlier to meet the hints. At least one
    group is a voice.
    """
    counts = _voices_after_each(n_windows, done)
    n_merges = next((n for n, merge in enumerate(done) if merge.likeness < threshold), len(done))
    if hints.max_speakers is not None:
        n_merges = next(n for n in range(n_merges, len(counts)) if counts[n] <= hints.max_speakers)
    if hints.min_speakers is not None and counts[n_merges] < hints.min_speakers:
        # the last point with enough voices; if there is none, the last one with the most
        wanted = min(hints.min_speakers, max(counts[: n_merges + 1]))
        n_merges = max(n for n in range(n_merges + 1) if counts[n] >= wanted)
    return _numbered(n_windows, done[:n_merges])


def _voices_after_each(n_windows: Int[np.ndarray, " groups"], done: Sequence[Merge]) -> list[int]:
    """How many groups are voices after 0, 1, 2 ... merges."""
    size = n_windows.copy()
    counts = [int((size >= MIN_WINDOWS).sum())]
    for merge in done:
        before = int(size[merge.kept] >= MIN_WINDOWS) + int(size[merge.gone] >= MIN_WINDOWS)
        size[merge.kept] += size[merge.gone]
        counts.append(counts[-1] - before + int(size[merge.kept] >= MIN_WINDOWS))
    return counts


def _numbered(n_windows: Int[np.ndarray, " groups"], done: Sequence[Merge]) -> Int[np.ndarray, " groups"]:
    root = np.arange(len(n_windows))
    for merge in done:
        root[root == merge.gone] = merge.kept
    size = np.bincount(root, weights=n_windows, minlength=len(root))
    large = np.flatnonzero(size >= MIN_WINDOWS)
    kept = large if large.size else np.array([int(np.argmax(size))])
    number = np.full(len(root), -1)
    number[kept] = np.arange(len(kept))
    return number[root]
