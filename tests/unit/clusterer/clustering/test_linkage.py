"""Joining many reciprocal pairs at a time gives the tree that joining one pair at a time gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist
from sklearn.metrics import adjusted_rand_score

from services.clusterer.clustering.linkage import average_linkage, cut
from services.clusterer.clustering.neighbours import neighbours
from tests.unit.clusterer.clustering.conftest import Voices


@given(seed=st.integers(0, 10_000), n_rows=st.integers(2, 40), lowest=st.floats(-0.3, 0.8))
@settings(deadline=None, max_examples=60)
def test_over_a_full_graph_it_is_average_linkage(seed: int, n_rows: int, lowest: float) -> None:
    rows = np.random.default_rng(seed).normal(size=(n_rows, 5))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    groups = cut(average_linkage(rows, neighbours(rows, n_rows), lowest), n_rows, lowest)

    textbook = fcluster(linkage(pdist(rows, "cosine"), "average"), 1 - lowest, "distance")
    assert adjusted_rand_score(textbook, groups) == pytest.approx(1)


def test_a_large_voice_is_joined_although_its_rows_have_few_neighbours(voices: Voices) -> None:
    rows, speakers = voices.rows([300, 200])
    rows -= rows.mean(axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    groups = cut(average_linkage(rows, neighbours(rows, 2), 0.2), 500, 0.2)
    assert adjusted_rand_score(speakers, groups) > 0.99


def test_equal_rows_are_one_group_and_no_row_joins_twice() -> None:
    rows = np.ones((50, 1), np.float32)
    merges = average_linkage(rows, neighbours(rows, 4), 0.5)
    assert len(merges.left) == 49
    assert set(cut(merges, 50, 0.5)) == {0}


def test_what_is_joined_already_stays_joined() -> None:
    rows = np.eye(4, dtype=np.float32)[[0, 0, 1, 1]]
    graph = neighbours(rows, 3)
    before = average_linkage(rows, graph, 0.9)
    rows[1] = rows[2]  # what was joined is apart now, and does not come apart
    assert cut(average_linkage(rows, graph, 0.9, before), 4, 0.9).tolist() == [0, 0, 1, 1]
