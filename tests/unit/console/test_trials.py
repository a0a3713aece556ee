"""Error rates against cases small enough to work out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console import trials
from services.console.trials import BadTrials, Trial
from shared.scoring import verification


def rates(targets: list[float], impostors: list[float]) -> verification.ErrorRates:
    scores = np.array(targets + impostors)
    return verification.error_rates(scores, np.array([True] * len(targets) + [False] * len(impostors)))


def test_scores_that_separate_have_no_error():
    perfect = rates([0.9, 0.8], [0.1, 0.2, 0.3])
    assert verification.equal_error_rate(perfect) == 0.0
    assert verification.min_dcf(perfect) == 0.0


def test_scores_that_are_exactly_wrong_have_nothing_but_error():
    wrong = rates([0.1, 0.2], [0.8, 0.9])
    assert verification.equal_error_rate(wrong) == 1.0
    assert verification.min_dcf(wrong) == 1.0  # refusing everybody is the best that can be done


def test_one_of_four_on_either_side_is_an_eer_of_a_quarter():
    crossed = rates([0.9, 0.8, 0.7, 0.35], [0.1, 0.2, 0.3, 0.75])
    assert verification.equal_error_rate(crossed) == pytest.approx(0.25)


def test_the_crossing_is_interpolated_between_thresholds():
    # Accepting from 0.5 up: miss 0, false alarm 1/3. Accepting from 0.6 up: miss 1/2, false alarm 1/3 or 0.
    uneven = rates([0.5, 0.9], [0.1, 0.2, 0.6])
    assert verification.equal_error_rate(uneven) == pytest.approx(1 / 3)


def test_equal_scores_cannot_be_told_apart():
    assert verification.equal_error_rate(rates([0.5, 0.5], [0.5, 0.5, 0.5])) == pytest.approx(0.5)


def test_min_dcf_weighs_false_alarms_ninety_nine_times():
    # Threshold between 0.6 and 0.8: one of four targets missed, no false alarm: cost 0.01 * 0.25 over 0.01.
    assert verification.min_dcf(rates([0.9, 0.85, 0.8, 0.3], [0.1, 0.6])) == pytest.approx(0.25)


@given(st.lists(st.tuples(st.floats(-1, 1), st.booleans()), min_size=2, max_size=60))
def test_rates_agree_with_counting_at_every_threshold(scored):
    scores, targets = np.array([s for s, _ in scored]), np.array([t for _, t in scored])
    if targets.all() or not targets.any():
        return
    fast = verification.error_rates(scores, targets)
    thresholds = [-np.inf, *sorted(set(scores))]
    miss = [np.mean(scores[targets] <= t) for t in thresholds]
    false_alarm = [np.mean(scores[~targets] > t) for t in thresholds]
    np.testing.assert_allclose(fast.miss, miss)
    np.testing.assert_allclose(fast.false_alarm, false_alarm, atol=1e-12)
    assert 0.0 <= verification.equal_error_rate(fast) <= 1.0


def test_a_list_is_parsed_and_blank_lines_are_skipped():
    assert trials.parse("1 a/b/c.wav d.flac\n\n0 /x/a/b/c.wav e\n") == [
        Trial(True, ("a", "b", "c"), ("d",)),
        Trial(False, ("a", "b", "c"), ("e",)),
    ]


@pytest.mark.parametrize("text", ["2 a b", "1 a", "1 a b c", "yes a b"])
def test_a_line_that_is_no_trial_is_named(text):
    with pytest.raises(BadTrials, match="Line 2"):
        trials.parse(f"1 a b\n{text}")


def test_files_match_by_their_last_three_parts_whatever_their_extension():
    listed = trials.parse("1 wav/id1/v/1.wav id2/w/2.flac")
    keys = {"vox/id1/v/1.m4a": 1, "vox/id2/w/2.wav": 2, "vox/id2/other/2.wav": 3}
    assert trials.match(listed, keys) == {("id1", "v", "1"): 1, ("id2", "w", "2"): 2}


def test_a_bare_file_name_matches_unless_two_recordings_have_it():
    listed = trials.parse("1 one.wav two.wav")
    assert trials.match(listed, {"c/a/one.wav": 1, "c/b/one.wav": 1, "c/a/two.wav": 2, "c/b/two.wav": 3}) == {
        ("one",): 1
    }


def test_trials_without_vectors_are_counted_as_missing():
    listed = trials.parse("1 a b\n0 a c\n1 a gone")
    vectors = {("a",): np.array([1.0, 0.0]), ("b",): np.array([0.8, 0.6]), ("c",): np.array([0.0, 1.0])}
    assert trials.evaluate(listed, vectors) == trials.Evaluation(eer=0.0, min_dcf=0.0, n_trials=2, n_missing=1)
    assert trials.missing(listed, vectors) == [("gone",)]


def test_trials_of_one_kind_have_no_error_rate():
    with pytest.raises(BadTrials):
        trials.evaluate(trials.parse("1 a a"), {("a",): np.ones(2)})
