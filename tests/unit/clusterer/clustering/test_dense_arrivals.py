"""Arrivals at clusters that density found."""

import numpy as np
import pytest

from services.clusterer.clustering import arrivals
from services.clusterer.clustering.cluster import cluster
from services.clusterer.clustering.types import Anchor


@pytest.mark.parametrize("spread", [0.5, 0.7, 0.9])
def test_arrivals_join_clusters_that_density_found(anchor: Anchor, spread: float) -> None:
    """Where density stands out better than any cut, the members' own cosines say what belongs."""
    rng = np.random.default_rng(0)
    centres, shared = rng.normal(size=(20, 256)), 1.2 * rng.normal(size=256)

    def spoken(n: int) -> np.ndarray:
        rows = np.repeat(centres + shared, n, axis=0) + spread * rng.normal(size=(20 * n, 256))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    rows = spoken(6)
    found = cluster(rows, np.full(len(rows), 3.0), anchor)
    clusters = arrivals.standing(rows, found)
    assert (arrivals.arrive(rows, clusters).labels == found.labels).all()
    assert (arrivals.arrive(spoken(3), clusters).labels >= 0).mean() > 0.95
