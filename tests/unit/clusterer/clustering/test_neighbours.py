"""The neighbour graph is exact, whatever was known before."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.clusterer.clustering import neighbours as module
from services.clusterer.clustering.neighbours import neighbours, renewed


@pytest.fixture(scope="module", autouse=True)
def _by_own_blocks():
    """What is tested here; faiss, which is installed in the test run, has its own tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.faiss_exact, "present", lambda: False)
        yield


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def by_hand(rows: np.ndarray, k: int) -> np.ndarray:
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -np.inf)
    return np.argsort(-cosines, axis=1, kind="stable")[:, : min(k, len(rows) - 1)]


@given(seed=st.integers(0, 10_000), n_rows=st.integers(2, 60), k=st.integers(1, 12), block=st.integers(3, 70))
@settings(deadline=None, max_examples=40)
def test_the_nearest_are_those_that_a_full_sort_finds(seed: int, n_rows: int, k: int, block: int) -> None:
    rows = unit(np.random.default_rng(seed).normal(size=(n_rows, 8)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", block)  # several blocks without thousands of rows
        found = neighbours(rows, k)
    np.testing.assert_array_equal(found.indices, by_hand(rows, k))


@given(
    seed=st.integers(0, 10_000), n_old=st.integers(8, 40), n_gone=st.integers(0, 5), n_new=st.integers(0, 9),
    block=st.integers(4, 50),
)  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_a_graph_that_followed_its_rows_is_the_graph_made_anew(
    seed: int, n_old: int, n_gone: int, n_new: int, block: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = unit(rng.normal(size=(n_old + n_new, 8)))
    old = rng.permutation(n_old + n_new)[:n_old]
    stay = rng.permutation(n_old)[n_gone:]
    place = np.full(n_old + n_new, -1)
    place[old[stay]] = stay
    now = np.setdiff1d(np.arange(n_old + n_new), np.setdiff1d(old, old[stay]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", block)
        found = renewed(neighbours(rows[old], 2), place[now], rows[now])
    np.testing.assert_array_equal(found.indices, by_hand(rows[now], 2))


@pytest.mark.parametrize("n_rows", [0, 1])
def test_a_lone_row_has_no_neighbour(n_rows: int) -> None:
    assert neighbours(np.ones((n_rows, 4), np.float32), 3).indices.shape == (n_rows, 0)


def test_of_equal_rows_the_first_are_kept() -> None:
    assert neighbours(np.ones((6, 1), np.float32), 2).indices.tolist() == [
        [1, 2],
        [0, 2],
        [0, 1],
        [0, 1],
        [0, 1],
        [0, 1],
    ]


def test_progress_rises_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 40)
    heard: list[float] = []
    neighbours(unit(np.random.default_rng(0).normal(size=(90, 2))), 2, heard.append)
    assert len(heard) == 3
    assert heard == sorted(heard)
    assert heard[-1] == 1
