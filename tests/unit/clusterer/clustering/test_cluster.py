"""Clusters that need no parameter: few rows and many, equal voices and unequal ones, in any order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from services.clusterer.clustering import alternatives
from services.clusterer.clustering.centring import centred
from services.clusterer.clustering.cluster import cluster
from services.clusterer.clustering.types import NOISE, Anchor, Method
from tests.unit.clusterer.clustering.conftest import Voices


def long(rows: np.ndarray) -> np.ndarray:
    return np.full(len(rows), 3.0)


def agreement(speakers: np.ndarray, labels: np.ndarray) -> float:
    alone = np.where(labels == NOISE, 1_000_000 + np.arange(len(labels)), labels)
    return float(adjusted_rand_score(speakers, alone))


@pytest.mark.parametrize(
    "counts",
    [
        [2, 2],
        [16],
        [3] * 5,
        [2] * 60,
        [10, 10],
        [40, 2, 2, 2],
        [1000, 2, 2, 2, 2, 2],
        [200, 50, 20, 10, 5, 3, 2],
        [3] * 68,
    ],
    ids=str,
)
def test_voices_are_found_however_many_and_however_unequal(voices: Voices, anchor: Anchor, counts: list[int]) -> None:
    rows, speakers = voices.rows(counts)
    found = cluster(rows, long(rows), anchor)
    assert agreement(speakers, found.labels) >= 0.97
    assert (found.labels != NOISE).mean() >= 0.97


def test_two_rows_are_one_voice_or_two(voices: Voices, anchor: Anchor) -> None:
    one, two = voices.rows([2])[0], voices.rows([1, 1])[0]
    assert cluster(one, long(one), anchor).labels.tolist() == [0, 0]
    assert cluster(two, long(two), anchor).labels.tolist() == [NOISE, NOISE]


def test_speakers_who_spoke_once_are_mostly_left_alone(voices: Voices, anchor: Anchor) -> None:
    rows, _ = voices.rows([1] * 80)
    assert (cluster(rows, long(rows), anchor).labels == NOISE).mean() >= 0.9


@given(seed=st.integers(0, 1000), counts=st.lists(st.integers(1, 12), min_size=1, max_size=12))
@settings(deadline=None, max_examples=12)
def test_the_order_of_rows_does_not_matter(seed: int, counts: list[int]) -> None:
    rows, _ = Voices(seed).rows(counts)
    order = np.random.default_rng(seed).permutation(len(rows))
    straight, mixed = (cluster(r, long(r), Anchor(0.84, 0.8)) for r in (rows, rows[order]))
    np.testing.assert_array_equal(straight.labels[order] == NOISE, mixed.labels == NOISE)
    assert adjusted_rand_score(straight.labels[order], mixed.labels) == pytest.approx(1)
    np.testing.assert_allclose(straight.probabilities[order], mixed.probabilities, atol=1e-3)


@given(n_rows=st.integers(0, 3), method=st.sampled_from(["auto", "density", "hdbscan", "spectral", "agglomerative"]))
@settings(deadline=None)
def test_every_method_takes_the_fewest_rows(n_rows: int, method: Method) -> None:
    rows, _ = Voices(1).rows([n_rows])
    found = alternatives.by_method(method, rows, long(rows), Anchor(0.84, 0.8))
    assert len(found.labels) == len(found.probabilities) == n_rows
    assert found.method == method


def test_equal_rows_are_one_voice(anchor: Anchor) -> None:
    rows = np.repeat(np.eye(8, dtype=np.float32)[:1], 40, axis=0)
    assert set(cluster(rows, long(rows), anchor).labels) == {0}


def test_a_row_that_is_the_mean_itself_has_no_direction_left(voices: Voices) -> None:
    rows, _ = voices.rows([5] * 3)
    turned = centred(rows, rows[4].astype(np.float64))
    assert not turned[4].any()
    np.testing.assert_allclose(np.linalg.norm(np.delete(turned, 4, axis=0), axis=1), 1, atol=1e-5)


def test_short_rows_change_no_cluster_of_the_others(voices: Voices, anchor: Anchor) -> None:
    rows, _ = voices.rows([8] * 20)
    rng = np.random.default_rng(1)
    short = rows[::4] + 0.07 * rng.normal(size=(40, rows.shape[1])).astype(np.float32)  # half as like as they were
    short /= np.linalg.norm(short, axis=1, keepdims=True)
    alone = cluster(rows, long(rows), anchor)
    both = cluster(np.vstack([rows, short]), np.r_[long(rows), np.full(40, 0.4)], anchor)
    np.testing.assert_array_equal(both.labels[:160], alone.labels)
    joined = both.labels[160:] != NOISE
    assert joined.any()
    assert (both.labels[160:][joined] == alone.labels[::4][joined]).all()


def test_where_all_rows_are_short_they_vote_after_all(voices: Voices, anchor: Anchor) -> None:
    rows, speakers = voices.rows([5] * 6)
    assert agreement(speakers, cluster(rows, np.full(30, 0.5), anchor).labels) > 0.97


def test_labels_are_numbered_by_their_first_rows_and_probabilities_end_at_noise(voices: Voices, anchor: Anchor) -> None:
    rows, _ = voices.rows([4, 1, 3, 1, 6])
    found = cluster(rows, long(rows), anchor)
    assert [label for at, label in enumerate(found.labels) if label not in found.labels[:at]] == [0, NOISE, 1, 2]
    assert (found.probabilities[found.labels == NOISE] == 0).all()
    assert (found.probabilities[found.labels != NOISE] <= 1).all()
    assert found.chosen.n_clusters == 3


@pytest.mark.parametrize("method", ["density", "hdbscan", "spectral", "agglomerative"])
def test_the_other_methods_give_the_same_kind_of_result(voices: Voices, anchor: Anchor, method: Method) -> None:
    rows, speakers = voices.rows([9] * 8)
    found = alternatives.by_method(method, rows, long(rows), anchor)
    assert agreement(speakers, found.labels) > 0.9
    assert found.method == method
