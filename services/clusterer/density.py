"""Clusters where vectors lie dense, noise where they do not.

HDBSCAN (Campello, Moulavi and Sander 2013) on unit vectors after the collection's mean is taken away: the mean is what
all segments share (room, microphone, language), and without it two speakers lie further apart than two rooms.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, Int64

NOISE = -1
_FEWEST = 3  # HDBSCAN needs neighbours to speak of density
ROWS_IN_PROCESS = 3000  # at 256 dimensions these keep the interpreter's lock for less than a second


@dataclass(frozen=True, slots=True)
class Clustering:
    """The cluster of each row, from 0 on, or NOISE; and how firmly it belongs there, 0 to 1."""

    labels: Int64[np.ndarray, " rows"]
    probabilities: Float64[np.ndarray, " rows"]


def hdbscan(rows: Float32[np.ndarray, "rows dim"], min_cluster_size: int) -> Clustering:
    """Cluster unit rows. Noise stays noise; fewer than three rows are all noise."""
    n_rows = len(rows)
    if n_rows < max(_FEWEST, min_cluster_size):
        return Clustering(np.full(n_rows, NOISE), np.zeros(n_rows))
    if n_rows > ROWS_IN_PROCESS:
        return _in_a_child(rows, min_cluster_size)
    return _fitted(rows, min_cluster_size)


def _fitted(rows: Float32[np.ndarray, "rows dim"], min_cluster_size: int) -> Clustering:
    from sklearn.cluster import HDBSCAN

    model = HDBSCAN(min_cluster_size=min_cluster_size, min_samples=1, allow_single_cluster=False, copy=True)
    model.fit(centred(rows))
    return Clustering(model.labels_.astype(np.int64), np.nan_to_num(model.probabilities_.astype(np.float64)))


def _in_a_child(rows: Float32[np.ndarray, "rows dim"], min_cluster_size: int) -> Clustering:
    """Fit in a process of its own: the library holds the interpreter's lock for so long that no lease is renewed."""
    with tempfile.TemporaryDirectory(prefix="earmark-clusterer-") as folder:
        given, found = Path(folder) / "rows.npy", Path(folder) / "found.npz"
        np.save(given, rows)
        command = [sys.executable, "-m", "services.clusterer.density", str(given), str(found), str(min_cluster_size)]
        subprocess.run(command, check=True)
        with np.load(found, allow_pickle=False) as arrays:
            return Clustering(arrays["labels"], arrays["probabilities"])


def centred(rows: Float32[np.ndarray, "rows dim"]) -> Float64[np.ndarray, "rows dim"]:
    """Rows without their common mean, at unit length again; a row that was the mean itself stays zero."""
    away = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    norms = np.linalg.norm(away, axis=1, keepdims=True)
    turned: Float64[np.ndarray, "rows dim"] = np.divide(away, norms, out=np.zeros_like(away), where=norms > 0)
    return turned


@dataclass(frozen=True, slots=True)
class Portrait:
    """What a cluster looks like from outside: its cohesion, and the member nearest to its middle."""

    cohesion: float
    exemplar: int


def portrait(rows: Float32[np.ndarray, "members dim"]) -> Portrait:
    """Mean cosine of the members to their mean direction, and the member with the highest."""
    middle = rows.mean(axis=0, dtype=np.float64)
    cosines = rows.astype(np.float64) @ (middle / np.linalg.norm(middle))
    return Portrait(float(cosines.mean()), int(cosines.argmax()))


def main() -> None:
    """The child of `hdbscan`: rows in, labels and probabilities out, by files."""
    given, found, min_cluster_size = sys.argv[1:]
    fitted = _fitted(np.load(given, allow_pickle=False), int(min_cluster_size))
    np.savez(found, labels=fitted.labels, probabilities=fitted.probabilities)


if __name__ == "__main__":
    main()
