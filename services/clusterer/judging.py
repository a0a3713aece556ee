"""Why to trust each cluster that was found: facts to show beside it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import numpy as np
from jaxtyping import Float32, Float64, Int64

from services.clusterer.clustering import centring, trust
from services.clusterer.clustering.types import Clustering, State, Trust

SEED: Final = 0  # of the resampling: the same collection has the same stability whenever it is asked


def judged(
    clustering: Clustering,
    state: State | None,
    segment_ids: Sequence[UUID],
    rows: Float32[np.ndarray, "rows dim"],
    recordings: Mapping[UUID, UUID],
) -> list[Trust]:
    """The facts of each cluster, by its number; without a state to resample from, its stability is 0."""
    turned = centring.centred(rows, clustering.mean)
    numbers: dict[UUID | None, int] = {r: n for n, r in enumerate(sorted(set(recordings.values())))}
    of_recordings = np.array([numbers.get(recordings.get(s), -1) for s in segment_ids], np.int64)
    n_clusters = int(clustering.labels.max(initial=-1)) + 1
    stability = np.zeros(n_clusters)
    if state is not None:
        found = _stability(clustering, state, segment_ids, turned)
        stability[: len(found)] = found  # clusters of rows that do not vote come last, and have none
    return trust.trusts(turned, clustering.labels, of_recordings, stability)


def _stability(
    clustering: Clustering, state: State, segment_ids: Sequence[UUID], turned: Float32[np.ndarray, "rows dim"]
) -> Float64[np.ndarray, " clusters"]:
    """Of the rows that vote: the graph holds no others."""
    row_of = {segment_id.bytes: row for row, segment_id in enumerate(segment_ids)}
    voting: Int64[np.ndarray, " voting"] = np.array([row_of[i.tobytes()] for i in state.ids], np.int64)
    rng = np.random.default_rng(SEED)
    return trust.stability(turned[voting], state.graph, clustering.labels[voting], state.cut, rng)


def shown(facts: Trust, segment_ids: Sequence[UUID]) -> dict[str, Any]:
    """The facts as they are kept and shown; size, recordings and cohesion have columns of their own."""
    return {
        "margin": round(facts.margin, 4),
        "stability": round(facts.stability, 4),
        "exemplars": [str(segment_ids[row]) for row in facts.exemplars],
    }
