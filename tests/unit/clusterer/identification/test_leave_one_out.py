"""Labelled segments without their own label, and pairs of them."""

import numpy as np
import pytest

from services.clusterer.identification.answer import NOBODY
from services.clusterer.identification.calibration import Calibration, Enrolled
from services.clusterer.identification.fitting import Labelled
from services.clusterer.identification.identifying import identify
from services.clusterer.identification.leave_one_out import left_out
from services.clusterer.identification.pairs import pairs_of
from tests.unit.clusterer.identification.conftest import Voices

CALIBRATION = Calibration(sharpness=25.0, typical=1.0, half_s=1.2, n_voices=30.0, n_speakers=0)


def labelled(voices: Voices) -> Labelled:
    rows = np.flatnonzero(voices.who < 5)
    return Labelled(voices.scored[rows], voices.durations_s[rows], voices.who[rows])


def test_each_is_named_as_if_it_had_never_been_labelled(voices: Voices) -> None:
    given = labelled(voices)
    asked, named = left_out(given, CALIBRATION)
    assert len(asked) == len(given.rows)
    for row, name in zip(asked, named, strict=True):
        others = [np.flatnonzero((given.speakers == s) & (np.arange(len(asked)) != row)) for s in range(5)]
        enrolled = Enrolled.added_up(given.rows, given.durations_s, others)
        one = slice(row, row + 1)
        answer = identify(given.rows[one], given.durations_s[one], enrolled, CALIBRATION)
        assert name == (answer.nearest[0] if len(answer.assigned()) else NOBODY)
    assert (named == given.speakers).any()


def test_the_only_segment_of_a_speaker_is_not_asked_about(voices: Voices) -> None:
    given = labelled(voices)
    alone = np.append(np.flatnonzero(given.speakers < 4), np.flatnonzero(given.speakers == 4)[0])
    asked, _ = left_out(Labelled(given.rows[alone], given.durations_s[alone], given.speakers[alone]), CALIBRATION)
    assert asked.tolist() == list(range(len(alone) - 1))


@pytest.mark.parametrize("n_rows", [2, 3, 50])
def test_all_pairs_are_there_once(n_rows: int) -> None:
    pairs = pairs_of(n_rows, np.random.default_rng(0))
    found = {frozenset(pair) for pair in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)}
    assert len(found) == len(pairs.first) == n_rows * (n_rows - 1) // 2
    assert all(len(pair) == 2 for pair in found)
    assert not pairs.drawn


def test_of_too_many_a_fair_draw_without_repeats() -> None:
    n_rows = 400
    pairs = pairs_of(n_rows, np.random.default_rng(0), most=20_000)
    assert pairs.drawn
    assert len({frozenset(p) for p in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)}) == 20_000
    often = np.bincount(np.concatenate([pairs.first, pairs.second]), minlength=n_rows)
    assert often.min() > 60  # each row is in 100 of them on average
    assert often.max() < 140


def test_scores_are_inner_products_and_targets_are_of_one_speaker() -> None:
    rows, speakers = np.random.default_rng(1).normal(size=(5, 3)), np.array([0, 0, 1, 1, 2])
    pairs = pairs_of(5, np.random.default_rng(0))
    np.testing.assert_allclose(pairs.scores(rows), (rows @ rows.T)[pairs.first, pairs.second])
    assert int(pairs.targets(speakers).sum()) == 2
