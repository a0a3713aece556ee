"""Who speaks: the ranking of a full scan, probabilities that rise with what speaks for them, nobody as an answer."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.clusterer.identification.answer import ASSIGN_VERDICT, NOBODY, NOBODY_VERDICT
from services.clusterer.identification.calibration import Calibration, Enrolled, log_ratios
from services.clusterer.identification.identifying import identify, identify_among
from services.clusterer.identification.reach import lowest_scores
from tests.unit.clusterer.identification.conftest import DIM, Voices, make_voices

CALIBRATION = Calibration(sharpness=25.0, typical=1.0, half_s=1.2, n_voices=30.0, n_speakers=0)
EASY = replace(CALIBRATION, n_voices=1.0, suggest=0.01)


def one_speaker(n_segments: int = 2, seconds: float = 8.0) -> Enrolled:
    return Enrolled(np.eye(1, DIM) * n_segments, np.array([n_segments]), np.array([seconds]))


def at_score(scores: np.ndarray) -> np.ndarray:
    """Queries with these scores with `one_speaker`."""
    return scores[:, None] * np.eye(1, DIM)


def test_the_ranking_is_that_of_the_mean_score_with_every_labelled_segment(voices: Voices) -> None:
    speakers = [3, 7, 11, 19]
    enrolled = voices.enrolled(speakers, 3)
    queries = np.flatnonzero(~np.isin(np.arange(len(voices.who)) % 6, [0, 1, 2]))
    found = identify(voices.scored[queries], voices.durations_s[queries], enrolled, EASY)

    averages = np.stack(
        [
            (voices.scored[queries] @ voices.scored[np.flatnonzero(voices.who == s)[:3]].T).mean(axis=1)
            for s in speakers
        ],
        axis=1,
    )
    counted = found.nearest != NOBODY
    assert counted.sum() > 20
    np.testing.assert_array_equal(found.nearest[counted], averages[counted].argmax(axis=1))
    np.testing.assert_allclose(found.score[counted], averages[counted].max(axis=1), atol=1e-8)


def test_known_voices_are_named_and_strangers_are_not(voices: Voices) -> None:
    known = list(range(15))
    enrolled = voices.enrolled(known, 3)
    queries = np.flatnonzero(np.arange(len(voices.who)) % 6 >= 3)
    found = identify(voices.scored[queries], voices.durations_s[queries], enrolled, voices.prior)
    truth = np.where(voices.who[queries] < 15, voices.who[queries], NOBODY)

    named = found.assigned()
    assert (found.nearest[named] == truth[named]).all()
    assert len(named) > 0.6 * (truth != NOBODY).sum()
    strangers = found.verdict[truth == NOBODY]
    assert (strangers == NOBODY_VERDICT).mean() > 0.9


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30), st.floats(0.2, 20), st.integers(1, 9))
def test_probability_rises_with_the_score(scores: list[float], duration_s: float, n_segments: int) -> None:
    ranked = np.sort(np.array(scores))
    enrolled = one_speaker(n_segments, 3.0 * n_segments)
    found = identify(at_score(ranked), np.full(len(ranked), duration_s), enrolled, CALIBRATION)
    assert (np.diff(found.probability) >= 0).all()
    assert (np.diff(found.verdict) >= 0).all()


@given(st.lists(st.floats(0.2, 60), min_size=2, max_size=30))
def test_a_segment_that_scores_as_expected_is_the_surer_the_longer_it_is(durations: list[float]) -> None:
    durations_s = np.sort(np.array(durations))
    expected = np.sqrt(durations_s / (durations_s + 1.2) * 4.0 / 5.2)  # `one_speaker` has segments of 4 s
    found = identify(at_score(expected), durations_s, one_speaker(), replace(EASY, n_voices=30.0))
    assert (np.diff(found.probability) >= -1e-9).all()


def test_more_labelled_segments_make_the_same_good_score_surer() -> None:
    probabilities = [
        identify(at_score(np.array([0.7])), np.array([4.0]), one_speaker(n, 4.0 * n), CALIBRATION).probability[0]
        for n in (1, 2, 4, 8)
    ]
    assert probabilities == sorted(probabilities)
    assert probabilities[-1] > probabilities[0]


@given(st.integers(0, 200))
@settings(max_examples=20, deadline=None)
def test_the_order_of_queries_and_speakers_is_nothing_to_it(seed: int) -> None:
    voices = make_voices(1, n_voices=12)
    rng = np.random.default_rng(seed)
    enrolled = voices.enrolled(list(range(8)), 2)
    straight = identify(voices.scored, voices.durations_s, enrolled, voices.prior)
    rows, speakers = rng.permutation(len(voices.who)), rng.permutation(8)
    shuffled = Enrolled(enrolled.sums[speakers], enrolled.counts[speakers], enrolled.seconds[speakers])
    turned = identify(voices.scored[rows], voices.durations_s[rows], shuffled, voices.prior)

    np.testing.assert_array_equal(np.append(speakers, NOBODY)[turned.nearest], straight.nearest[rows])
    np.testing.assert_array_equal(turned.verdict, straight.verdict[rows])
    np.testing.assert_allclose(turned.probability, straight.probability[rows], atol=1e-9)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_pair_that_people_ruled_out_is_never_the_answer(seed: int) -> None:
    voices = make_voices(2, n_voices=10)
    rng = np.random.default_rng(seed)
    forbidden = np.argwhere(rng.random((len(voices.who), 10)) < 0.3)
    found = identify(voices.scored, voices.durations_s, voices.enrolled(list(range(10)), 2), voices.prior, forbidden)
    pairs = set(map(tuple, forbidden.tolist()))
    assert not pairs & set(enumerate(found.nearest.tolist()))
    assert not pairs & set(enumerate(found.runner_up.tolist()))


def test_ruling_out_the_best_lets_the_next_best_be_asked() -> None:
    twins = Enrolled(np.tile(np.eye(1, DIM), (2, 1)), np.array([1, 1]), np.array([4.0, 4.0]))
    query = at_score(np.array([0.9]))
    split = identify(query, np.array([4.0]), twins, CALIBRATION)
    assert (split.nearest[0], split.runner_up[0], split.margin[0]) == (0, 1, 0.0)
    assert split.probability[0] < 0.5  # each is as probable as the other
    alone = identify(query, np.array([4.0]), twins, CALIBRATION, np.array([[0, 0]]))
    assert (alone.nearest[0], alone.runner_up[0], alone.verdict[0]) == (1, NOBODY, ASSIGN_VERDICT)


def test_nobody_speaks_where_nobody_is_named() -> None:
    found = identify(
        np.eye(3, DIM), np.ones(3), Enrolled(np.empty((0, DIM)), np.empty(0, int), np.empty(0)), CALIBRATION
    )
    assert found.speaker().tolist() == [NOBODY] * 3
    assert len(identify(np.empty((0, DIM)), np.empty(0), one_speaker(), CALIBRATION).nearest) == 0


def test_more_queries_than_fit_at_once_are_answered_alike(voices: Voices) -> None:
    enrolled = voices.enrolled([0, 1, 2], 2)
    few = identify(voices.scored, voices.durations_s, enrolled, voices.prior)
    times = 4096 // len(voices.who) + 2
    forbidden = np.array([[len(voices.who) * (times - 1), 0]])  # the first query's last copy
    rows, durations_s = np.tile(voices.scored, (times, 1)), np.tile(voices.durations_s, times)
    many = identify(rows, durations_s, enrolled, voices.prior, forbidden)
    np.testing.assert_array_equal(many.nearest[: len(voices.who)], few.nearest)
    np.testing.assert_array_equal(many.nearest[-len(voices.who) :][1:], few.nearest[1:])
    assert (few.nearest[0], many.nearest[-len(voices.who)]) == (0, NOBODY)


@given(st.floats(0.5, 0.95), st.floats(1.1, 500), st.floats(1, 100), st.floats(0.3, 1.5), st.integers(1, 20))
def test_below_the_lowest_score_no_duration_makes_a_suggestion(
    suggest: float, n_voices: float, sharpness: float, typical: float, n_segments: int
) -> None:
    calibration = replace(
        CALIBRATION, suggest=suggest, n_voices=n_voices, sharpness=sharpness, typical=typical, assign=0.99
    )
    enrolled = one_speaker(n_segments, 2.5 * n_segments)
    durations_s = np.geomspace(1e-4, 1e5, 400)
    lowest = lowest_scores(enrolled, calibration)[0]
    below = np.full((400, 1), lowest - 1e-6)
    odds = log_ratios(below, durations_s, enrolled, calibration) - np.log(n_voices)
    assert (1 / (1 + np.exp(-odds)) < suggest).all()
    at = log_ratios(np.full((400, 1), lowest + 1e-3), durations_s, enrolled, calibration) - np.log(n_voices)
    assert (1 / (1 + np.exp(-at)) >= suggest - 0.01).any()  # and it is not far too low either


def test_segments_and_speakers_of_no_length_are_nobodys() -> None:
    silent = Enrolled(np.eye(1, DIM), np.array([1]), np.zeros(1))
    for calibration in (CALIBRATION, replace(CALIBRATION, n_voices=1.0)):
        found = identify(at_score(np.array([1.0])), np.zeros(1), silent, calibration)
        assert found.verdict[0] != ASSIGN_VERDICT


def test_among_a_few_speakers_the_nearest_is_named_as_surely_as_the_calibration_parts_it_from_the_others(
    voices: Voices,
) -> None:
    enrolled = voices.enrolled([3, 7, 11], 2)
    queries = np.flatnonzero(np.isin(voices.who, [3, 7, 11, 20]))
    scored, durations_s = voices.scored[queries], voices.durations_s[queries]
    nearest, probability = identify_among(scored, durations_s, enrolled, CALIBRATION)

    scores = scored @ enrolled.means().T
    ratios = np.exp(log_ratios(scores, durations_s, enrolled, CALIBRATION))
    np.testing.assert_array_equal(nearest, scores.argmax(axis=1))
    shares = ratios / ratios.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probability, shares[np.arange(len(queries)), nearest], rtol=1e-5)
    assert (voices.who[queries] == np.array([3, 7, 11])[nearest])[voices.who[queries] != 20].mean() > 0.9


def test_among_a_few_speakers_one_who_was_ruled_out_leaves_the_query_to_the_next(voices: Voices) -> None:
    enrolled = voices.enrolled([3, 7], 2)
    query, duration_s = voices.scored[voices.who == 3][2:3], np.array([2.0])
    ruled_out = np.array([[0, 0]])
    nearest, probability = identify_among(query, duration_s, enrolled, CALIBRATION, ruled_out)
    assert (nearest[0], probability[0]) == (1, 1.0)
    nearest, probability = identify_among(query, duration_s, enrolled, CALIBRATION, np.array([[0, 0], [0, 1]]))
    assert (nearest[0], probability[0]) == (NOBODY, 0.0)
