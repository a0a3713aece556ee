"""Calibrations: careful before labels, right after them, the same in any order."""

from dataclasses import replace

import numpy as np
import pytest

from services.clusterer.identification.calibration import Calibration
from services.clusterer.identification.fitting import Labelled, before_labels, fit
from services.clusterer.identification.identifying import identify
from tests.unit.clusterer.identification.conftest import MIN_DURATION_S, Voices, make_voices


def labelled(voices: Voices, n_speakers: int, n_each: int) -> Labelled:
    rows = np.flatnonzero((voices.who < n_speakers) & (np.arange(len(voices.who)) % 6 < n_each))
    return Labelled(voices.scored[rows], voices.durations_s[rows], voices.who[rows])


def test_it_is_stored_and_read_again(voices: Voices) -> None:
    fitted = fit(voices.prior, labelled(voices, 10, 3))
    assert Calibration.from_json(fitted.to_json()) == fitted
    assert len(fitted.to_json()) < 300


def test_without_a_second_segment_of_anybody_the_prior_stands(voices: Voices) -> None:
    assert fit(voices.prior, labelled(voices, 10, 1)) == voices.prior
    assert fit(voices.prior, labelled(voices, 1, 5)) == voices.prior


def test_labels_correct_a_calibration_that_is_far_too_sure(voices: Voices) -> None:
    wild = replace(voices.prior, sharpness=8 * voices.prior.sharpness, typical=0.4)
    fitted = fit(wild, labelled(voices, 20, 3))
    assert fitted.sharpness < 0.6 * wild.sharpness
    assert fitted.typical > 0.6


def test_a_few_labels_move_it_less_than_many(voices: Voices) -> None:
    wild = replace(voices.prior, typical=0.4)
    few, many = fit(wild, labelled(voices, 2, 2)), fit(wild, labelled(voices, 25, 3))
    assert wild.typical <= few.typical < many.typical


def test_the_order_of_labels_is_nothing_to_it(voices: Voices) -> None:
    straight = labelled(voices, 12, 3)
    rows = np.random.default_rng(0).permutation(len(straight.rows))
    turned = Labelled(straight.rows[rows], straight.durations_s[rows], straight.speakers[rows] * 7 + 1)
    one, other = fit(voices.prior, straight), fit(voices.prior, turned)
    assert one.sharpness == pytest.approx(other.sharpness)
    assert one.typical == pytest.approx(other.typical)


@pytest.mark.parametrize("n_rows", [0, 1, 2, 3])
def test_a_tiny_collection_assigns_nothing_by_itself(n_rows: int) -> None:
    rows = make_voices(3).scored[:n_rows]
    prior = before_labels(rows, float(max(1, n_rows)), MIN_DURATION_S)
    assert prior.sharpness < 10
    assert prior.n_speakers == 0


def test_probabilities_mean_what_they_say() -> None:
    probabilities, right = [], []
    for seed in range(12):
        voices = make_voices(100 + seed, n_voices=40)
        fitted = fit(voices.prior, labelled(voices, 20, 3))
        queries = np.arange(len(voices.who)) % 6 >= 3
        found = identify(
            voices.scored[queries], voices.durations_s[queries], voices.enrolled(list(range(20)), 3), fitted
        )
        asked = found.nearest >= 0
        probabilities.append(found.probability[asked])
        right.append((found.nearest == voices.who[queries])[asked])
    said, true = np.concatenate(probabilities), np.concatenate(right)
    sure = said >= 0.95
    assert true[sure].mean() > 0.98
    assert sure.sum() > 300
    doubtful = (said >= 0.5) & ~sure
    assert true[doubtful].mean() > 0.5
