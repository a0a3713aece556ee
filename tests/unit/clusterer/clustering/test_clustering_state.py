"""A refit from what an earlier run left finds what a run from nothing finds."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from services.clusterer.clustering import choose
from services.clusterer.clustering import state as module
from services.clusterer.clustering.centring import NEIGHBOURS, centred
from services.clusterer.clustering.cluster import cluster, refit
from services.clusterer.clustering.density import hdbscan
from services.clusterer.clustering.neighbours import neighbours
from services.clusterer.clustering.state import from_bytes, still_good, to_bytes
from services.clusterer.clustering.types import Anchor
from tests.unit.clusterer.clustering.conftest import Voices


@pytest.fixture(autouse=True)
def _few_rows_count_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHEAP", 100)


def named(n_rows: int) -> np.ndarray:
    return np.random.default_rng(9).integers(0, 256, (n_rows, 16)).astype(np.uint8)


def test_rows_that_came_and_went_are_clustered_as_if_anew(voices: Voices, anchor: Anchor) -> None:
    rows, speakers = voices.rows([2, 3, 5, 10] * 40)
    ids, durations_s = named(len(rows)), np.full(len(rows), 3.0)
    some, later = np.arange(20, 800), np.random.default_rng(0).permutation(780)  # twenty come, twenty go, all are moved
    first = refit(None, ids[some], rows[some], durations_s[some], anchor)
    assert still_good(first.state, ids[later])
    second = refit(first.state, ids[later], rows[later], durations_s[later], anchor)
    anew = cluster(rows[later], durations_s[later], anchor)
    assert second.clustering.chosen.cut == first.clustering.chosen.cut
    assert adjusted_rand_score(anew.labels, second.clustering.labels) > 0.98
    assert adjusted_rand_score(speakers[later], second.clustering.labels) > 0.97


def test_nothing_changed_nothing_changes(voices: Voices, anchor: Anchor) -> None:
    rows, _ = voices.rows([2, 3, 5] * 30)
    ids, durations_s = named(len(rows)), np.full(len(rows), 3.0)
    first = refit(None, ids, rows, durations_s, anchor)
    second = refit(first.state, ids, rows, durations_s, anchor)
    np.testing.assert_array_equal(first.clustering.labels, second.clustering.labels)
    np.testing.assert_array_equal(first.state.graph.indices, second.state.graph.indices)


def test_a_state_is_read_as_it_was_written(voices: Voices, anchor: Anchor) -> None:
    rows, _ = voices.rows([3] * 10)
    state = refit(None, named(30), rows, np.full(30, 3.0), anchor).state
    read = from_bytes(to_bytes(state))
    assert read is not None
    np.testing.assert_array_equal(read.graph.cosines, state.graph.cosines)
    np.testing.assert_array_equal(read.ids, state.ids)
    np.testing.assert_array_equal(read.mean, state.mean)
    np.testing.assert_array_equal(read.joined.left, state.joined.left)
    assert (read.cut, read.n_begun) == (state.cut, state.n_begun)


def test_a_state_of_another_version_is_none(voices: Voices, anchor: Anchor, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, _ = voices.rows([3] * 10)
    stored = to_bytes(refit(None, named(30), rows, np.full(30, 3.0), anchor).state)
    monkeypatch.setattr(module, "_FORMAT", module._FORMAT + 1)
    assert from_bytes(stored) is None


def test_a_state_ends_when_the_rows_have_doubled_or_mostly_gone(voices: Voices, anchor: Anchor) -> None:
    rows, _ = voices.rows([3] * 100)
    ids = named(700)
    state = refit(None, ids[:300], rows, np.full(300, 3.0), anchor).state
    assert still_good(state, ids[:599])
    assert not still_good(state, ids[:600])
    assert not still_good(state, ids[:150])
    assert not still_good(state, ids[200:500])


def test_density_s_clusters_grow_by_new_rows_as_if_anew(
    voices: Voices, anchor: Anchor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "denser", lambda *_: True)
    rows, _ = voices.rows([20, 25, 30] * 8)
    rows = np.random.default_rng(0).permutation(rows)
    ids, durations_s, n_old = named(len(rows)), np.full(len(rows), 3.0), 590
    first = refit(None, ids[:n_old], rows[:n_old], durations_s[:n_old], anchor)
    stored = from_bytes(to_bytes(first.state))
    again = refit(stored, ids, rows, durations_s, anchor)
    turned = centred(rows, first.state.mean)
    anew = hdbscan(turned, neighbours(turned, NEIGHBOURS), 2, 1).labels
    assert again.state.by_density
    assert adjusted_rand_score(anew, again.clustering.labels) == pytest.approx(1)


def test_a_tree_that_lost_a_row_is_made_anew(voices: Voices, anchor: Anchor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "denser", lambda *_: True)
    rows, _ = voices.rows([20] * 12)
    ids, durations_s = named(len(rows)), np.full(len(rows), 3.0)
    first = refit(None, ids, rows, durations_s, anchor)
    again = refit(first.state, ids[5:], rows[5:], durations_s[5:], anchor)
    assert len(again.state.tree.left) == len(rows) - 6
