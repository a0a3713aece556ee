"""Compare what another method finds with the clusters that stand. Changes nothing of those."""

import numpy as np
from jaxtyping import Int64

from services.clusterer.clustering.groups import with_singles
from services.clusterer.clustering.types import NOISE
from services.clusterer.generations import Found
from shared.storage import clusters
from shared.storage.database import Transaction
from shared.storage.method_comparisons import Comparison, Counts


def compared(tx: Transaction, found: Found) -> Comparison:
    """The clusters that were found beside those that stand for the same segments."""
    ids, labels = found.material.segment_ids, found.clustering.labels
    cluster_of = clusters.clusters_of(tx, found.material.encoder.name, ids)
    number_of = {cluster_id: number for number, cluster_id in enumerate(sorted(set(cluster_of.values())))}
    now = np.array([number_of[cluster_of[s]] if s in cluster_of else NOISE for s in ids], np.int64)
    return Comparison(_counts(labels), _counts(now), len(ids), agreement(labels, now) if number_of else None)


def _counts(labels: Int64[np.ndarray, " rows"]) -> Counts:
    alone = int((labels == NOISE).sum())
    return Counts(clusters=len(np.unique(labels)) - bool(alone), noise=alone)


def agreement(one: Int64[np.ndarray, " rows"], other: Int64[np.ndarray, " rows"]) -> float:
    """The adjusted Rand index (Hubert and Arabie 1985) with each row of noise as a cluster of its own: 1 is alike."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(with_singles(one), with_singles(other)))
