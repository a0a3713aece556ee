"""Who has to be asked again when a speaker changes: few, and everybody whose answer differs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.clusterer.identification.answer import Identified
from services.clusterer.identification.calibration import Enrolled
from services.clusterer.identification.identifying import identify
from services.clusterer.identification.reach import affected, lowest_scores, near
from tests.unit.clusterer.identification.conftest import DIM, Voices, make_voices

FIELDS = ("nearest", "runner_up", "verdict")


def only(enrolled: Enrolled, rows: list[int]) -> Enrolled:
    return Enrolled(enrolled.sums[rows], enrolled.counts[rows], enrolled.seconds[rows])


def renewed(voices: Voices, before: Identified, touched: np.ndarray, now: Enrolled) -> list[np.ndarray]:
    again = identify(voices.scored[touched], voices.durations_s[touched], now, voices.prior)
    fields = [getattr(before, f).copy() for f in (*FIELDS, "probability")]
    for field, name in zip(fields, (*FIELDS, "probability"), strict=True):
        field[touched] = getattr(again, name)
    return fields


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_asking_the_affected_again_is_as_good_as_asking_everybody(seed: int) -> None:
    voices = make_voices(seed % 5)
    rng = np.random.default_rng(seed)
    speakers = rng.permutation(30)[:10].tolist()
    was, more = voices.enrolled(speakers, 2), voices.enrolled(speakers, int(rng.integers(1, 5)))
    changed = rng.permutation(10)[: int(rng.integers(1, 4))]
    rows = np.arange(10)
    pick = np.isin(rows, changed)
    now = Enrolled(
        np.where(pick[:, None], more.sums, was.sums),
        np.where(pick, more.counts, was.counts),
        np.where(pick, more.seconds, was.seconds),
    )
    before = identify(voices.scored, voices.durations_s, was, voices.prior)
    touched = affected(
        before, voices.scored, changed, only(was, changed.tolist()), only(now, changed.tolist()), voices.prior
    )
    entire = identify(voices.scored, voices.durations_s, now, voices.prior)
    for field, name in zip(renewed(voices, before, touched, now), (*FIELDS, "probability"), strict=True):
        np.testing.assert_array_equal(field, getattr(entire, name))


def test_a_new_speaker_touches_few(voices: Voices) -> None:
    was, now = voices.enrolled(list(range(10)), 2), voices.enrolled(list(range(11)), 2)
    before = identify(voices.scored, voices.durations_s, was, voices.prior)
    nobody = Enrolled(np.empty((0, DIM)), np.empty(0, np.int64), np.empty(0))
    touched = affected(before, voices.scored, np.array([10]), nobody, only(now, [10]), voices.prior)
    entire = identify(voices.scored, voices.durations_s, now, voices.prior)

    np.testing.assert_array_equal(before.nearest[~touched], entire.nearest[~touched])
    assert 2 <= touched.sum() < len(voices.who) / 6


@pytest.mark.parametrize("seed", range(5))
def test_the_database_finds_everybody_who_can_be_affected(seed: int) -> None:
    voices = make_voices(seed)
    enrolled = voices.enrolled(list(range(30)), 2)
    n_near = 0
    for speaker in range(30):
        alone = only(enrolled, [speaker])
        found = near(alone, voices.prior, voices.backend).holds(voices.rows)
        counts = voices.scored @ alone.means()[0] >= lowest_scores(alone, voices.prior)[0]
        assert not (counts & ~found).any()
        n_near += int(found.sum())
    assert n_near < 0.25 * 30 * len(voices.who)
