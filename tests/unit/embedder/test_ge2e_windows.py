import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.embedder.encoders.ge2e_windows import (
    FRAME_SAMPLES,
    HOP_SAMPLES,
    WINDOW_FRAMES,
    lay_out,
    stream_samples,
    window_starts,
)

LENGTHS = st.lists(st.integers(1, 60_000), min_size=1, max_size=6)


@settings(deadline=None)  # the machine may be busy
@given(n_samples=st.integers(1, 500_000))
def test_windows_begin_where_the_package_begins_them(peer, n_samples):
    _, slices = peer.compute_partial_slices(n_samples, rate=1.25, min_coverage=0.75)
    assert window_starts(n_samples).tolist() == [s.start for s in slices]


@settings(deadline=None)  # the machine may be busy
@given(lengths=LENGTHS, block=st.integers(1, 400))
def test_every_window_sees_its_own_clip_and_silence_only(lengths, block):
    # clip k holds the ramp 1, 2, 3, ... scaled by its gain k + 1
    clips = [np.arange(1, n + 1, dtype=np.float32) for n in lengths]
    gains = [float(k + 1) for k in range(len(clips))]
    layout = lay_out(lengths)
    frames = np.zeros((layout.n_rows + 1, FRAME_SAMPLES), np.float32)  # the last row is silence
    for first in range(0, layout.n_rows, block):
        end = min(first + block, layout.n_rows)
        stretch = stream_samples(layout, clips, gains, first, end)
        frames[first:end] = np.lib.stride_tricks.sliding_window_view(stretch, FRAME_SAMPLES)[::HOP_SAMPLES]
    starts = np.concatenate([window_starts(n) for n in lengths])
    for window, (clip, start) in enumerate(zip(layout.window_clip, starts, strict=True)):
        edge = FRAME_SAMPLES // 2
        room = (start + WINDOW_FRAMES) * HOP_SAMPLES + FRAME_SAMPLES
        padded = np.pad(gains[clip] * clips[clip], (edge, max(0, room - lengths[clip])))
        expected = np.lib.stride_tricks.sliding_window_view(padded, FRAME_SAMPLES)[::HOP_SAMPLES]
        expected = expected[start : start + WINDOW_FRAMES]
        np.testing.assert_array_equal(frames[layout.window_rows[:, window]], expected)


def test_overlapping_windows_share_their_frames():
    layout = lay_out([160_000])
    assert layout.window_rows.size > 1.7 * layout.n_rows
