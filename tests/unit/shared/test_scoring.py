"""The back-end: what it makes of many voices, of one, of next to nothing; and that order is nothing to it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.scoring import groups
from shared.scoring.backend import Backend
from shared.scoring.learning import count_alike, learn, plain
from shared.scoring.shrinkage import ledoit_wolf

SAME_VOICE = 0.84
DIM = 32


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def voices(rng: np.random.Generator, n_voices: int, n_each: int, noise: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """Voices around a common mean, as those of a real encoder are, with more noise along four axes than elsewhere."""
    common = 6 * np.eye(DIM)[0]
    own = rng.normal(size=(n_voices, DIM)).repeat(n_each, axis=0)
    wide = np.where(np.arange(DIM) < 5, 5 * noise, noise)
    return unit(common + own + wide * rng.normal(size=own.shape)), np.arange(n_voices).repeat(n_each)


def gap(rows: np.ndarray, who: np.ndarray) -> float:
    """How far scores of one voice lie above those of two, in standard deviations."""
    left, right = np.triu_indices(len(rows), 1)
    scores, same = (rows @ rows.T)[left, right], who[left] == who[right]
    return float((scores[same].mean() - scores[~same].mean()) / np.hypot(scores[same].std(), scores[~same].std()))


def test_voices_lie_further_apart_than_by_the_plain_cosine() -> None:
    rows, who = voices(np.random.default_rng(0), 40, 4)
    backend = learn(rows, SAME_VOICE)
    assert gap(backend.scored(rows), who) > 1.5 * gap(rows, who)


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_rows_is_nothing_to_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, _ = voices(rng, 12, 3)
    shuffled = rows[rng.permutation(len(rows))]
    assert learn(rows, SAME_VOICE).to_bytes() == learn(shuffled, SAME_VOICE).to_bytes()


def test_doubled_files_change_nothing() -> None:
    rows, _ = voices(np.random.default_rng(1), 10, 3)
    assert learn(rows, SAME_VOICE).to_bytes() == learn(np.concatenate([rows, rows]), SAME_VOICE).to_bytes()


@pytest.mark.parametrize("n_others", [1, 2, 3])
@pytest.mark.parametrize("n_each", [3, 10])
def test_a_stranger_among_few_voices_does_not_come_to_sound_like_them(n_others: int, n_each: int) -> None:
    for seed in range(5):
        rows, who = voices(np.random.default_rng(seed), 1 + n_others, n_each, noise=0.1)
        rows = np.concatenate([rows[:1], rows[who > 0]])
        scored = learn(rows, SAME_VOICE).scored(rows)
        assert (scored @ scored.T)[0, 1:].max() <= (rows @ rows.T)[0, 1:].max()


def test_a_single_voice_keeps_nearly_its_plain_cosine() -> None:
    rows, _ = voices(np.random.default_rng(2), 1, 30, noise=0.1)
    backend = learn(rows, SAME_VOICE)
    assert backend.n_voices < 1.5
    assert np.linalg.norm(backend.offset) < 0.25  # five sixths of the mean are left
    scores = backend.scored(rows)
    assert (scores @ scores.T).mean() > 0.8


@pytest.mark.parametrize("n_rows", [1, 2, 3])
def test_very_few_rows_are_only_shifted_a_little(n_rows: int) -> None:
    rows, _ = voices(np.random.default_rng(3), n_rows, 1)
    backend = learn(rows, SAME_VOICE)
    np.testing.assert_array_equal(backend.whitening, np.eye(DIM))
    assert np.linalg.norm(backend.offset) < n_rows / (n_rows + 5) + 1e-6


def test_no_rows_change_nothing() -> None:
    rows, _ = voices(np.random.default_rng(4), 5, 1)
    assert learn(rows[:0], SAME_VOICE).to_bytes() == plain(DIM).to_bytes()
    np.testing.assert_allclose(plain(DIM).scored(rows), rows, atol=1e-6)


def test_what_lies_at_the_offset_is_near_to_nobody() -> None:
    rows, _ = voices(np.random.default_rng(5), 20, 3)
    backend = learn(rows, SAME_VOICE)
    assert np.linalg.norm(backend.scored(backend.offset[None].astype(np.float32))) < 1e-6
    assert np.linalg.norm(backend.scored(rows), axis=1).max() < 1 + 1e-9


def test_scores_are_finite_when_all_rows_are_one() -> None:
    rows = np.tile(unit(np.ones((1, DIM))), (50, 1))
    assert np.isfinite(learn(rows, SAME_VOICE).scored(rows)).all()


def test_scores_are_finite_when_every_voice_is_its_own_copy() -> None:
    base, _ = voices(np.random.default_rng(6), 6, 1)
    nudged = unit(np.concatenate([base, base + 1e-7]))
    assert np.isfinite(learn(nudged, SAME_VOICE).scored(nudged)).all()


def test_it_is_stored_and_read_again() -> None:
    rows, _ = voices(np.random.default_rng(7), 10, 3)
    backend = learn(rows, SAME_VOICE)
    again = Backend.from_bytes(backend.to_bytes())
    np.testing.assert_array_equal(again.scored(rows), backend.scored(rows))
    assert again.to_bytes() == backend.to_bytes()


def test_everybody_is_as_many_as_are_like_them() -> None:
    rows, _ = voices(np.random.default_rng(8), 20, 5, noise=0.01)
    assert (count_alike(rows.astype(np.float64), 0.99) == 5).all()
    assert learn(rows, 0.99).n_voices == pytest.approx(20)


def test_where_every_voice_is_there_once_neighbours_are_not_believed() -> None:
    rows, _ = voices(np.random.default_rng(11), 60, 1)
    np.testing.assert_allclose(learn(rows, 0.9999).whitening, np.eye(DIM), atol=1e-6)
    again, _ = voices(np.random.default_rng(11), 60, 3)
    assert np.abs(learn(again, SAME_VOICE).whitening - np.eye(DIM)).max() > 0.2


def test_everybody_is_with_their_first_neighbour() -> None:
    rows = np.array([[1, 0], [0.99, 0.1], [0.9, 0.4], [0, 1], [0.1, 0.99]])
    assert groups.first_neighbours(rows).tolist() == [1, 0, 1, 4, 3]
    assert groups.connected(groups.first_neighbours(rows)).tolist() == [0, 0, 0, 1, 1]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=31))
def test_groups_are_the_connected_components(ties: list[int]) -> None:
    neighbours = np.array([t % len(ties) for t in ties])
    found = groups.connected(neighbours)
    expected = np.arange(len(ties))
    for _ in ties:  # the slow way
        low = np.minimum(expected, expected[neighbours])
        np.minimum.at(low, neighbours, low.copy())
        expected = low
    assert (found[:, None] == found).tolist() == (expected[:, None] == expected).tolist()


def test_first_neighbours_do_not_depend_on_blocks() -> None:
    rows = np.random.default_rng(9).normal(size=(1300, 8))
    scores = rows @ rows.T
    np.fill_diagonal(scores, -np.inf)
    np.testing.assert_array_equal(groups.first_neighbours(rows), scores.argmax(axis=1))


def test_few_deviations_are_drawn_far_and_many_hardly() -> None:
    rng = np.random.default_rng(10)
    wide = rng.normal(size=(20_000, DIM)) * np.linspace(0.2, 3, DIM)
    assert ledoit_wolf(wide, len(wide)).intensity < 0.02
    assert ledoit_wolf(wide[:10], 10).intensity > 0.3
    assert ledoit_wolf(wide, len(wide)).covariance.diagonal() == pytest.approx(np.linspace(0.2, 3, DIM) ** 2, abs=0.3)
