"""Clips longer than a network's window: cut into windows that follow each other, and what came of them joined again."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32

from shared.encoders.families import Pooled, Pooling

Clip = Float32[np.ndarray, " _samples"]


def cut(clips: Sequence[Clip], window_samples: int) -> tuple[list[Clip], list[int]]:
    """Every clip's windows, in order, the last of each as short as it comes; and how many windows each clip has.

    Windows do not overlap: a network sees nothing of what lies beyond a seam.
    """
    windows = [clip[start : start + window_samples] for clip in clips for start in range(0, clip.size, window_samples)]
    return windows, [-(-clip.size // window_samples) for clip in clips]


def joined(made: Pooled, n_valid: Sequence[int], n_windows: Sequence[int], pooling: Pooling) -> Pooled:
    """One row a clip from one row a window, as if the valid frames of a clip's windows had been pooled together.

    Frames that are kept are those of all windows, one after the other.
    """
    ends = np.cumsum(n_windows)
    spans = [slice(end - n, end) for end, n in zip(ends, n_windows, strict=True)]
    weights = np.asarray(n_valid, np.float64)
    vectors = np.stack([_joined(made.vectors[span], weights[span], pooling) for span in spans])
    frames = made.frames and tuple(np.concatenate(made.frames[span]) for span in spans)
    return Pooled(vectors, frames)


def _joined(
    rows: Float32[np.ndarray, "windows dim"], n_valid: Float[np.ndarray, " windows"], pooling: Pooling
) -> Float32[np.ndarray, " dim"]:
    if len(rows) == 1 or pooling == "first":
        row = rows[0]
    elif pooling == "last":
        row = rows[-1]
    elif pooling == "max":
        row = rows.max(axis=0)
    elif pooling == "stats":
        row = _of_statistics(rows, n_valid)
    else:
        row = np.average(rows, axis=0, weights=n_valid)
    return np.asarray(row, np.float32)


def _of_statistics(
    rows: Float32[np.ndarray, "windows dim"], n_valid: Float[np.ndarray, " windows"]
) -> Float32[np.ndarray, " dim"]:
    """The variance of all frames is that within windows and that between their means."""
    means, deviations = np.split(rows.astype(np.float64), 2, axis=1)
    mean = np.average(means, axis=0, weights=n_valid)
    variance = np.average(deviations**2 + (means - mean) ** 2, axis=0, weights=n_valid)
    return np.concatenate([mean, np.sqrt(variance)]).astype(np.float32)
