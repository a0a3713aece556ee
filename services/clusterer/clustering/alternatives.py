"""Other ways to cluster, to compare with: HDBSCAN tuned or with its usual parameters, spectral, agglomerative.

All take the same rows and give the same kind of result as `cluster`; what people said is obeyed in all of them.
"""

from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int64

from services.clusterer.clustering import centring, density, scale, space
from services.clusterer.clustering.cluster import cluster, firmness
from services.clusterer.clustering.constraints import obey
from services.clusterer.clustering.groups import without_singles
from services.clusterer.clustering.neighbours import neighbours
from services.clusterer.clustering.tree import Flat
from services.clusterer.clustering.types import (
    NOISE,
    Anchor,
    Chosen,
    Clustering,
    Method,
    Progress,
    Said,
    nothing_said,
    silent,
)
from shared.errors import PermanentError

USUAL_SIZE: Final = 5  # min_cluster_size of the `hdbscan` library
MOST_PAIRS: Final = 20_000**2  # scikit-learn holds all distances in memory: 3.2 GB here


class TooManyRows(PermanentError):
    """The method compares all rows with all others in memory. Take `auto`, `density` or `hdbscan`."""

    code = "too_many_rows"


def by_method(
    method: Method,
    rows: Float32[np.ndarray, "rows dim"],
    durations_s: Float64[np.ndarray, " rows"],
    anchor: Anchor,
    said: Said | None = None,
    progress: Progress = silent,
) -> Clustering:
    """Cluster unit rows by a method of one's choice. Raises TooManyRows."""
    if method == "auto":
        return cluster(rows, durations_s, anchor, said, progress)
    mean = space.shared_mean(rows, anchor)
    turned = centring.centred(rows, mean)
    found, chosen = _found(method, turned, scale.centred_cosine(scale.middle(anchor), mean), progress)
    labels = obey(turned, without_singles(found.labels), said or nothing_said(len(rows)))
    kept = np.where(labels != NOISE, np.where(found.labels != NOISE, found.probabilities, 1.0), 0.0)
    return Clustering(labels, kept, method, chosen, mean)


def _found(
    method: Method, turned: Float32[np.ndarray, "rows dim"], cut: float, progress: Progress
) -> tuple[Flat, Chosen]:
    if len(turned) < 2:
        return Flat(np.full(len(turned), NOISE, np.int64), np.zeros(len(turned))), Chosen()
    match method:
        case "density":
            return density.tuned(turned, neighbours(turned, centring.NEIGHBOURS, progress))
        case "hdbscan":
            return _usual(turned, progress)
        case "agglomerative":
            return _firm(turned, _agglomerative(turned, cut), cut), Chosen(cut=cut)
        case _:
            labels, n_clusters = _spectral(turned)
            return _firm(turned, labels, cut), Chosen(n_clusters=n_clusters)


def _firm(turned: Float32[np.ndarray, "rows dim"], labels: Int64[np.ndarray, " rows"], cut: float) -> Flat:
    return Flat(labels, firmness(turned, labels, cut))


def _usual(turned: Float32[np.ndarray, "rows dim"], progress: Progress) -> tuple[Flat, Chosen]:
    """HDBSCAN as the textbook has it; where all is noise with ever smaller clusters, then spectral clustering."""
    graph = neighbours(turned, max(centring.NEIGHBOURS, USUAL_SIZE), progress)
    for size in range(USUAL_SIZE, 1, -1):
        found = density.hdbscan(turned, graph, size, size)
        if (found.labels != NOISE).any():
            return found, Chosen(min_cluster_size=size, min_samples=size, selection="eom")
    labels, n_clusters = _spectral(turned)
    return Flat(labels, np.ones(len(labels))), Chosen(n_clusters=n_clusters)


def _agglomerative(turned: Float32[np.ndarray, "rows dim"], cut: float) -> Int64[np.ndarray, " rows"]:
    """Average linkage by scikit-learn, cut where the encoder says."""
    from sklearn.cluster import AgglomerativeClustering

    _fits(turned)
    model = AgglomerativeClustering(n_clusters=None, metric="cosine", linkage="average", distance_threshold=1 - cut)
    directed = np.flatnonzero(np.any(turned, axis=1))  # scikit-learn refuses zero rows
    labels = np.full(len(turned), NOISE, np.int64)
    if len(directed) > 1:
        labels[directed] = model.fit_predict(turned[directed])
    return without_singles(labels)


def _spectral(turned: Float32[np.ndarray, "rows dim"]) -> tuple[Int64[np.ndarray, " rows"], int]:
    """Spectral clustering by scikit-learn, with as many clusters as the largest gap between eigenvalues says.

    The gap of the normalised Laplacian: von Luxburg 2007, "A Tutorial on Spectral Clustering", section 8.3.
    """
    from sklearn.cluster import SpectralClustering

    _fits(turned)
    affinity = np.maximum(turned @ turned.T, 0).astype(np.float64)
    np.fill_diagonal(affinity, 1)
    degree = affinity.sum(axis=1)
    values = np.linalg.eigvalsh(np.eye(len(turned)) - affinity / np.sqrt(np.outer(degree, degree)))
    n_clusters = int(np.argmax(np.diff(values[: len(turned) // 2 + 1]))) + 1
    if n_clusters < 2:
        return np.zeros(len(turned), np.int64), 1
    model = SpectralClustering(n_clusters=n_clusters, affinity="precomputed", random_state=0)
    return without_singles(model.fit_predict(affinity).astype(np.int64)), n_clusters


def _fits(turned: Float32[np.ndarray, "rows dim"]) -> None:
    if len(turned) ** 2 > MOST_PAIRS:
        raise TooManyRows(f"{len(turned)} rows are more than this method can hold.")
