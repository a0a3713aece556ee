"""Our density clusters are HDBSCAN's, from the neighbour graph alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import HDBSCAN
from sklearn.metrics import adjusted_rand_score

from services.clusterer.clustering.density import Known, grown, hdbscan, spanning_tree
from services.clusterer.clustering.neighbours import neighbours
from services.clusterer.clustering.types import NOISE
from tests.unit.clusterer.clustering.conftest import Voices


def textbook(rows: np.ndarray, min_cluster_size: int, min_samples: int, selection: str) -> HDBSCAN:
    # scikit-learn counts a row among its own samples
    model = HDBSCAN(min_cluster_size, min_samples + 1, cluster_selection_method=selection, copy=True)
    return model.fit(rows.astype(np.float64))


@given(
    seed=st.integers(0, 10_000), counts=st.lists(st.integers(1, 14), min_size=2, max_size=9),
    min_cluster_size=st.integers(2, 5), selection=st.sampled_from(["eom", "leaf"]),
)  # fmt: skip
@settings(deadline=None, max_examples=50)
def test_labels_are_the_textbook_s(seed: int, counts: list[int], min_cluster_size: int, selection: str) -> None:
    rows, _ = Voices(seed).rows(counts)
    if len(rows) <= min_cluster_size:
        return
    ours = hdbscan(rows, neighbours(rows, 16), min_cluster_size, 1, selection)
    theirs = textbook(rows, min_cluster_size, 1, selection)
    np.testing.assert_array_equal(ours.labels == NOISE, theirs.labels_ == NOISE)
    assert adjusted_rand_score(theirs.labels_, ours.labels) == pytest.approx(1)


@pytest.mark.parametrize("min_samples", [2, 5])
def test_smoothed_density_differs_from_the_textbook_where_rows_tie(voices: Voices, min_samples: int) -> None:
    # rows that share a core distance are equally near: either library takes them in its own order
    rows, _ = voices.rows([20] * 10 + [5] * 20)
    ours, theirs = hdbscan(rows, neighbours(rows, 16), 5, min_samples), textbook(rows, 5, min_samples, "eom")
    assert adjusted_rand_score(theirs.labels_, ours.labels) > 0.95
    inside = (theirs.labels_ != NOISE) & (ours.labels != NOISE)
    np.testing.assert_allclose(ours.probabilities[inside], theirs.probabilities_[inside], atol=0.05)


def crowds(n_each: int) -> np.ndarray:
    """Fifteen of them, far apart, in random order."""
    rng = np.random.default_rng(0)
    rows = np.repeat(np.eye(15), n_each, axis=0) + 0.05 * rng.normal(size=(15 * n_each, 15))
    return rng.permutation(rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_graph_in_pieces_is_joined_by_its_nearest_rows() -> None:
    rows = crowds(12)
    pieces, whole = (spanning_tree(rows, neighbours(rows, k), 1) for k in (11, 179))
    assert len(pieces[0]) == 179
    np.testing.assert_allclose(np.sort(pieces[2]), np.sort(whole[2]), atol=1e-6)


@pytest.mark.parametrize("n_old", [200, 297, 300])
def test_a_tree_that_grew_by_new_rows_is_the_tree_made_anew(n_old: int) -> None:
    rows = crowds(20)
    before = Known(grown(rows[:n_old], neighbours(rows[:n_old], 8)), np.arange(n_old, 300))
    graph = neighbours(rows, 8)
    after, anew = grown(rows, graph, before), grown(rows, graph)
    assert len(anew.left) == 299
    np.testing.assert_allclose(np.sort(after.cosines), np.sort(anew.cosines), atol=1e-6)


def test_equal_rows_are_one_cluster_beside_another() -> None:
    rows = np.repeat(np.eye(2, dtype=np.float32), 6, axis=0)
    found = hdbscan(rows, neighbours(rows, 4), 3, 2)
    assert adjusted_rand_score([0] * 6 + [1] * 6, found.labels) == pytest.approx(1)
    assert (found.probabilities == 1).all()


@pytest.mark.parametrize("n_rows", [0, 1, 2])
def test_too_few_rows_are_noise(n_rows: int) -> None:
    rows = np.ones((n_rows, 3), np.float32)
    assert (hdbscan(rows, neighbours(rows, 4), 2, 1).labels == NOISE).all()
