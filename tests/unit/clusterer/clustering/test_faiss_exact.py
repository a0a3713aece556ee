"""Neighbours by faiss are those by our own blocks."""

import numpy as np
import pytest

from services.clusterer.clustering import faiss_exact
from services.clusterer.clustering import neighbours as own


def _rows(n_rows: int, n_same: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(n_rows, 32)).astype(np.float32)
    rows[:n_same] = rows[0]
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(("n_rows", "k"), [(2, 16), (300, 16), (300, 1), (20_000, 4)])
def test_faiss_finds_the_same_neighbours(n_rows: int, k: int) -> None:
    rows, heard = _rows(n_rows, 0), []
    found = faiss_exact.neighbours(rows, k, heard.append)
    expected = own._by_blocks(rows, k, lambda _: None)
    assert found.indices.shape == expected.indices.shape
    assert (found.indices == expected.indices).mean() > 0.999  # of cosines that differ in the last bit either may lead
    np.testing.assert_allclose(found.cosines, expected.cosines, atol=1e-6)
    assert heard[-1] == 1.0


def test_nobody_is_a_neighbour_of_itself_among_more_duplicates_than_neighbours() -> None:
    found = faiss_exact.neighbours(_rows(100, 40), 5, lambda _: None)
    assert not (found.indices == np.arange(100)[:, None]).any()
    np.testing.assert_allclose(found.cosines[:40], 1.0, atol=1e-6)
    assert found.indices[:40].max() < 40


def test_large_collections_take_it() -> None:
    assert faiss_exact.present()
    rows = _rows(own._BLOCK + 1, 0)
    np.testing.assert_array_equal(
        own.neighbours(rows, 3).indices, faiss_exact.neighbours(rows, 3, lambda _: None).indices
    )
