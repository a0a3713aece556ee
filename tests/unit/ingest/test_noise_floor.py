import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.segmenters.floor import adapted
from services.ingest.segmenters.speech import FRAME_SAMPLES, SpeechRules, smoothed, spans_from_probabilities


def _curve(*plateaus: tuple[float, int]) -> np.ndarray:
    """Log odds over numbers of frames, as probabilities."""
    log_odds = np.concatenate([np.full(n, level) for level, n in plateaus])
    return (1 / (1 + np.exp(-log_odds))).astype(np.float32)


def _spans(probabilities: np.ndarray) -> list[tuple[int, int]]:
    n_samples = len(probabilities) * FRAME_SAMPLES
    curve, rules = adapted(probabilities, n_samples)
    spans = spans_from_probabilities(curve, n_samples, rules)
    return [(round(s.start_sample / FRAME_SAMPLES), round(s.end_sample / FRAME_SAMPLES)) for s in spans]


def test_quiet_speech_is_heard_in_a_quiet_room():
    """One speaker near the microphone, one far from it: the library's own threshold of 0.5 hears the first alone."""
    curve = _curve((-7, 100), (8, 60), (-7, 100), (-2, 60), (-7, 100))
    found = _spans(curve)
    assert np.abs(np.subtract(found, [(100, 160), (260, 320)])).max() <= 3  # smoothing and padding: 3 frames, 96 ms
    assert len(spans_from_probabilities(curve, len(curve) * FRAME_SAMPLES, SpeechRules())) == 1


def test_what_is_quiet_speech_in_one_room_is_noise_in_another():
    curve = _curve((-4, 100), (8, 60), (-4, 100), (-2, 60), (-4, 100))
    assert len(_spans(curve)) == 1


def test_noise_alone_is_not_taken_for_far_away_speech():
    assert _spans(_curve((-7, 200), (-2, 60), (-7, 200))) == []


def test_a_recording_full_of_speech_needs_no_room_to_compare_with():
    assert _spans(_curve((4, 200), (-1, 30), (4, 200))) == [(0, 430)]


def test_a_pause_of_less_than_300_ms_does_not_part_a_turn():
    assert len(_spans(_curve((-7, 50), (6, 50), (-7, 8), (6, 50), (-7, 50)))) == 1
    assert len(_spans(_curve((-7, 50), (6, 50), (-7, 16), (6, 50), (-7, 50)))) == 2


def test_one_uncertain_frame_is_no_speech():
    spans = _spans(_curve((-7, 100), (8, 60), (-7, 100), (3, 1), (-7, 100)))
    assert len(spans) == 1


@given(st.lists(st.tuples(st.floats(-16, 16), st.integers(1, 60)), min_size=1, max_size=8))
def test_the_threshold_is_never_above_the_librarys_nor_below_odds_of_one_to_twenty(plateaus):
    curve = _curve(*plateaus)
    adjusted, rules = adapted(curve, len(curve) * FRAME_SAMPLES)
    assert 1 / 21 - 1e-9 <= rules.threshold <= SpeechRules().threshold
    assert rules.exit_threshold == rules.threshold
    assert np.isfinite(adjusted).all()


@pytest.mark.parametrize("n_frames", [0, 1, 2])
def test_the_shortest_recordings_are_no_trouble(n_frames):
    curve, rules = adapted(np.ones(n_frames, np.float32), n_frames * FRAME_SAMPLES)
    assert len(curve) == n_frames
    assert rules.threshold <= 0.5


def test_smoothing_keeps_a_flat_curve_and_spreads_a_peak():
    assert smoothed(np.full(7, 0.3), 5) == pytest.approx(np.full(7, 0.3))
    peak = np.zeros(9)
    peak[4] = 1.0
    assert smoothed(peak, 5) == pytest.approx(np.r_[0, 0, np.full(5, 0.2), 0, 0])
