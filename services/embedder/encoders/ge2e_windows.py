"""Which mel frames of which clip go into which window of GE2E: whole-number arithmetic, no signal, no model.

All clips of a batch are laid end to end in one imaginary stream of samples, cut into frames of 25 ms every 10 ms.
A table of the stream's frames then serves every window: overlapping windows share their frames, and a frame is
computed once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, Int

FRAME_SAMPLES: Final = 400  # 25 ms at 16 kHz
HOP_SAMPLES: Final = 160  # 10 ms
WINDOW_FRAMES: Final = 160  # 1.6 s, as the weights were trained
STEP_FRAMES: Final = WINDOW_FRAMES // 2  # half overlap: Wan et al. 2018, "Generalized end-to-end loss", section 2.2
MIN_COVERAGE: Final = 0.75  # a last window that holds less signal than this is left out, unless it is the only one

_EDGE_SAMPLES: Final = FRAME_SAMPLES // 2  # frames are centred: the first one begins this much before the clip
_GAP_FRAMES: Final = 2  # between clips, so that no frame that is used reaches into the next clip


def window_starts(n_samples: int) -> Int[np.ndarray, " windows"]:
    """First frames of a clip's windows, at least one; the last may reach past the end of the clip.

    Source: `VoiceEncoder.compute_partial_slices` of resemblyzer 0.1.4 at 1.25 windows a second.
    """
    n_frames = n_samples // HOP_SAMPLES + 1
    starts = np.arange(0, max(1, n_frames - WINDOW_FRAMES + STEP_FRAMES + 1), STEP_FRAMES)
    covered = (n_samples - int(starts[-1]) * HOP_SAMPLES) / (WINDOW_FRAMES * HOP_SAMPLES)
    return starts[:-1] if covered < MIN_COVERAGE and len(starts) > 1 else starts


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of a batch lies. Row `n_rows` of the frame table stands for digital silence: all zeros."""

    n_rows: int  # frames of the stream
    sample_begin: Int[np.ndarray, " clips"]  # where in the stream a clip's samples begin ...
    n_samples: Int[np.ndarray, " clips"]  # ... and how many of them any window sees
    window_rows: Int[np.ndarray, "frames windows"]  # rows of the frame table, time first
    window_clip: Int[np.ndarray, " windows"]


def lay_out(clip_samples: Sequence[int]) -> Layout:
    """Plan a batch of at least one clip, each of at least one sample."""
    starts = [window_starts(n) for n in clip_samples]
    seen_frames = np.array([s[-1] for s in starts]) + WINDOW_FRAMES
    # a frame at or past this one holds padding only, and is silence without being computed
    live_frames = np.minimum(seen_frames, -(-(np.array(clip_samples) + _EDGE_SAMPLES) // HOP_SAMPLES))
    row_end = np.cumsum(live_frames + _GAP_FRAMES)
    row_begin = row_end - live_frames - _GAP_FRAMES
    window_clip = np.repeat(np.arange(len(starts)), [len(s) for s in starts])
    frame = np.arange(WINDOW_FRAMES)[:, np.newaxis] + np.concatenate(starts)  # (frames, windows), within the clip
    return Layout(
        n_rows=int(row_end[-1]),
        sample_begin=row_begin * HOP_SAMPLES + _EDGE_SAMPLES,
        n_samples=np.minimum(clip_samples, live_frames * HOP_SAMPLES + _EDGE_SAMPLES - HOP_SAMPLES),
        window_rows=np.where(frame < live_frames[window_clip], frame + row_begin[window_clip], row_end[-1]),
        window_clip=window_clip,
    )


def stream_samples(
    layout: Layout,
    clips: Sequence[Float32[np.ndarray, " _samples"]],
    gains: Sequence[float],
    first_row: int,
    end_row: int,
) -> Float32[np.ndarray, " samples"]:
    """The stretch of the stream that frames `first_row` to `end_row` are cut from; zeros between the clips."""
    begin = first_row * HOP_SAMPLES
    end = (end_row - 1) * HOP_SAMPLES + FRAME_SAMPLES
    stretch = np.zeros(end - begin, np.float32)
    first_clip = max(0, int(np.searchsorted(layout.sample_begin, begin, side="right")) - 1)
    for clip in range(first_clip, int(np.searchsorted(layout.sample_begin, end))):
        clip_begin = int(layout.sample_begin[clip])
        lower, upper = max(begin, clip_begin), min(end, clip_begin + int(layout.n_samples[clip]))
        if lower < upper:
            seen = clips[clip][lower - clip_begin : upper - clip_begin]
            np.multiply(seen, np.float32(gains[clip]), out=stretch[lower - begin : upper - begin])
    return stretch
