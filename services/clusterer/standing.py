"""The standing clusters of a collection as arrivals are compared with them."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from jaxtyping import Float32, Float64

from services.clusterer.clustering import arrivals
from services.clusterer.clustering.arrivals import Standing
from services.clusterer.clustering.types import Clustering
from services.clusterer.spaces import Space
from shared.storage import clustering_states, clusters
from shared.storage.database import Transaction
from shared.storage.embeddings import Vectors
from shared.storage.rows import uuids


@dataclass(frozen=True, slots=True)
class Known:
    """The clusters of one generation: row i of the means is `cluster_ids[i]`."""

    cluster_ids: tuple[UUID, ...]
    clusters: Standing

    def to_bytes(self) -> bytes:
        """What `from_bytes` reads."""
        target = io.BytesIO()
        ids = np.frombuffer(b"".join(c.bytes for c in self.cluster_ids), np.uint8).reshape(-1, 16)
        np.savez(target, ids=ids, means=self.clusters.means, mean=self.clusters.mean, cut=self.clusters.cut)
        return target.getvalue()


def from_bytes(stored: bytes) -> Known:
    """The clusters again."""
    with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
        ids = tuple(uuids(arrays["ids"]))
        return Known(ids, Standing(arrays["means"], arrays["mean"], float(arrays["cut"])))


def known(rows: Float32[np.ndarray, "rows dim"], clustering: Clustering, cluster_ids: Sequence[UUID]) -> Known:
    """The clusters that were found in these unit rows."""
    return Known(tuple(cluster_ids), arrivals.standing(rows, clustering))


def matches(tx: Transaction, space: Space, new: Vectors) -> list[tuple[UUID, UUID, float]]:
    """(segment, cluster, probability) of those that match the core of a cluster that still stands."""
    generation = clusters.generation_of(tx, space.collection, space.encoder.name)
    stored = clustering_states.standing(tx, space.collection, space.encoder.space, generation)
    if stored is None or not len(new.ids):
        return []
    known = from_bytes(stored)
    found = arrivals.arrive(new.rows, known.clusters)
    sure = _firmness(found.cosines, known.clusters, found.labels.clip(0))
    current = set(clusters.standing(tx, space.collection, space.encoder.name))
    return [
        (segment_id, known.cluster_ids[label], float(firm))
        for segment_id, label, firm in zip(new.segment_ids(), found.labels, sure, strict=True)
        if label >= 0 and known.cluster_ids[label] in current
    ]


def _firmness(
    cosines: Float64[np.ndarray, " new"], clusters: Standing, labels: np.ndarray
) -> Float64[np.ndarray, " new"]:
    """Where between the cut and the highest possible mean cosine, the length of the cluster's mean, a row lies."""
    if not len(clusters.means):
        return np.zeros(len(cosines))
    highest = np.linalg.norm(clusters.means, axis=1)[labels]
    firm: Float64[np.ndarray, " new"] = (cosines - clusters.cut) / np.maximum(highest - clusters.cut, 1e-6)
    return firm.clip(0.0, 1.0)
