"""The voices of a recording, as the mean vectors of their windows. Never compares all windows of a long recording."""

from typing import Final

import numpy as np
from jaxtyping import Float32, Int

from services.ingest.segmenters.protocol import NO_HINTS, Hints
from services.ingest.segmenters.voices.likeness import Groups, likeness_in_turns, pure
from services.ingest.segmenters.voices.merging import merges, voices
from services.ingest.segmenters.voices.windows import WINDOW_SAMPLES, Windows
from shared.encoders.protocol import EncoderSpec
from shared.units import samples

_MOST_TOGETHER: Final = 1024
"""Windows compared each with each, 7 minutes of speech and 8 MB a matrix. A longer recording is merged in parts first,
and then the parts' voices are, which costs time and memory in proportion to its length."""


def centroids_of(
    vectors: Float32[np.ndarray, "windows dim"], windows: Windows, spec: EncoderSpec, hints: Hints
) -> Float32[np.ndarray, "voices dim"]:
    """A unit vector for each voice, at least one.

    Only windows that hold one voice vote, as those that two share would join the two. Of short ones, those vote that
    are long enough for the encoder, and only in recordings that are made of short turns. If none are left, all vote.
    """
    in_turns = likeness_in_turns(vectors, windows)
    full = windows.n_samples == WINDOW_SAMPLES
    mostly_full = 2 * int(full.sum()) >= len(windows)
    long_enough = full if mostly_full else windows.n_samples >= samples(spec.min_duration_s)
    voters = np.flatnonzero(long_enough & pure(vectors, windows, in_turns))
    if voters.size == 0:
        voters = np.arange(len(vectors))
    rows = vectors[voters]
    return _means(rows, _voices(rows, windows.only(voters), in_turns, spec.assign_threshold, hints))


def _means(
    vectors: Float32[np.ndarray, "windows dim"], voice: Int[np.ndarray, " windows"]
) -> Float32[np.ndarray, "voices dim"]:
    """The unit mean vector of each voice that has windows; windows of voice -1 belong to none.

    The mean of windows that could not be embedded stays zero: nothing is like it.
    """
    numbers = np.unique(voice[voice >= 0])
    sums = np.stack([vectors[voice == number].sum(axis=0) for number in numbers])
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.where(length > 0, length, 1.0), np.float32)


def _voices(
    rows: Float32[np.ndarray, "windows dim"], windows: Windows, in_turns: float, same_voice: float, hints: Hints
) -> Int[np.ndarray, " windows"]:
    if len(rows) <= _MOST_TOGETHER:
        groups = Groups.of_single_windows(rows, windows)
        return voices(groups.n_windows, merges(groups, in_turns), same_voice, hints)
    label, groups = _merged_in_parts(rows, windows, in_turns, same_voice)
    joined = voices(groups.n_windows, merges(groups, in_turns), same_voice, hints)
    return np.where(label >= 0, joined[label], -1)


def _merged_in_parts(
    rows: Float32[np.ndarray, "windows dim"], windows: Windows, in_turns: float, same_voice: float
) -> tuple[Int[np.ndarray, " windows"], Groups]:
    """The voices of each stretch by itself, as the groups that the recording's voices are merged from."""
    labels: list[Int[np.ndarray, " _part"]] = []
    found: list[Groups] = []
    for part in np.array_split(np.arange(len(rows)), -(-len(rows) // _MOST_TOGETHER)):
        groups = Groups.of_single_windows(rows[part], windows.only(part))
        voice = voices(groups.n_windows, merges(groups, in_turns), same_voice, NO_HINTS)
        labels.append(np.where(voice >= 0, voice + sum(len(g.n_windows) for g in found), -1))
        found.append(groups.merged(voice))
    label = np.concatenate(labels)
    sums = np.stack([rows[label == number].sum(axis=0) for number in range(label.max() + 1)])
    return label, Groups.side_by_side(found, sums)
