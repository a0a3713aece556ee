"""Why to trust each cluster that was found: facts to show beside it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import numpy as np
from jaxtyping import Float32, Float64, Int64

from services.clusterer.clustering import centring, trust
from services.clusterer.clustering.cluster import Refit
from services.clusterer.clustering.types import Trust

SEED: Final = 0  # of the resampling: the same collection has the same stability whenever it is asked


def judged(
    refit: Refit,
    segment_ids: Sequence[UUID],
    rows: Float32[np.ndarray, "rows dim"],
    recordings: Mapping[UUID, UUID],
) -> list[Trust]:
    """The facts of each cluster, by its number."""
    turned = centring.centred(rows, refit.clustering.mean)
    numbers = {recording_id: n for n, recording_id in enumerate(sorted(set(recordings.values())))}
    of_recordings = np.array([numbers[recordings[s]] if s in recordings else -1 for s in segment_ids], np.int64)
    stability = _stability(refit, segment_ids, turned)
    return trust.trusts(turned, refit.clustering.labels, of_recordings, stability)


def _stability(
    refit: Refit, segment_ids: Sequence[UUID], turned: Float32[np.ndarray, "rows dim"]
) -> Float64[np.ndarray, " clusters"]:
    """Of the rows that vote: the graph holds no others."""
    row_of = {segment_id.bytes: row for row, segment_id in enumerate(segment_ids)}
    voting: Int64[np.ndarray, " voting"] = np.array([row_of[i.tobytes()] for i in refit.state.ids], np.int64)
    labels = refit.clustering.labels[voting]
    found = trust.stability(turned[voting], refit.state.graph, labels, refit.state.cut, np.random.default_rng(SEED))
    n_clusters = int(refit.clustering.labels.max(initial=-1)) + 1
    return np.concatenate([found, np.zeros(n_clusters - len(found))])  # clusters of rows that do not vote


def shown(facts: Trust, segment_ids: Sequence[UUID]) -> dict[str, Any]:
    """The facts as they are kept and shown; size, recordings and cohesion have columns of their own."""
    return {
        "margin": round(facts.margin, 4),
        "stability": round(facts.stability, 4),
        "exemplars": [str(segment_ids[row]) for row in facts.exemplars],
    }
