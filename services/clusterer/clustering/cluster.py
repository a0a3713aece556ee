"""Cluster a collection without being told anything: the whole way from rows to labels.

What all voices share is taken away, the rows that are long enough are joined by mean cosine, and the tree is cut where
its groups stand apart best. HDBSCAN's clusters take their place where they stand apart clearly better: that is so for
voices that vary much and evenly. Short rows are attached, and what people said is obeyed.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from services.clusterer.clustering import arrivals, centring, choose, density, linkage, scale, space, state
from services.clusterer.clustering.constraints import obey
from services.clusterer.clustering.groups import sizes, sums, with_rest, with_singles, without_singles
from services.clusterer.clustering.neighbours import neighbours
from services.clusterer.clustering.types import (
    NOISE,
    Anchor,
    Chosen,
    Clustering,
    Merges,
    Progress,
    Said,
    State,
    nothing_joined,
    nothing_said,
    silent,
)

_DENSE: Final = 2  # the least cluster: two utterances may be all that is there of a speaker


@dataclass(frozen=True, slots=True)
class Refit:
    """A clustering, and what the next one can begin from."""

    clustering: Clustering
    state: State


def cluster(
    rows: Float32[np.ndarray, "rows dim"],
    durations_s: Float64[np.ndarray, " rows"],
    anchor: Anchor,
    said: Said | None = None,
    progress: Progress = silent,
) -> Clustering:
    """Cluster unit rows. Rows shorter than the encoder's least duration found no cluster, but may join one."""
    nobody = np.zeros((len(rows), 16), np.uint8)
    return refit(None, nobody, rows, durations_s, anchor, said, progress).clustering


def refit(
    before: State | None,
    ids: UInt8[np.ndarray, "rows 16"],
    rows: Float32[np.ndarray, "rows dim"],
    durations_s: Float64[np.ndarray, " rows"],
    anchor: Anchor,
    said: Said | None = None,
    progress: Progress = silent,
) -> Refit:
    """Cluster as `cluster` does, from what an earlier run on most of these rows left; `ids` tell the rows apart."""
    voting = votes(durations_s, anchor)
    mine = rows if voting.all() else rows[voting]  # no copy of what may be half a gigabyte
    if before is not None and state.still_good(before, ids[voting]):
        after, turned, groups, silhouette = _continued(before, ids[voting], mine, anchor, progress)
    else:
        after, turned, groups, silhouette = _begun(ids[voting], mine, anchor, progress)
    labels = np.full(len(rows), NOISE, np.int64)
    labels[voting] = without_singles(groups)
    if not voting.all():
        turned = centring.centred(rows, after.mean)
        labels[~voting] = arrivals.joined(turned[~voting], arrivals.means(turned, labels), after.cut).labels
    labels = obey(turned, labels, said or nothing_said(len(rows)))
    n_clusters = int(labels.max(initial=NOISE)) + 1
    chosen = Chosen(_DENSE, n_clusters=n_clusters, cut=after.cut, silhouette=silhouette)
    if after.by_density:
        chosen = replace(chosen, min_samples=1, selection="eom")
    probabilities = firmness(turned, labels, after.cut)
    return Refit(Clustering(labels, probabilities, "auto", chosen, after.mean), after)


def votes(durations_s: Float64[np.ndarray, " rows"], anchor: Anchor) -> Bool[np.ndarray, " rows"]:
    """Which rows may found a cluster: those long enough, or all where fewer than two are."""
    long = durations_s >= anchor.min_duration_s
    return long if long.sum() >= 2 else np.ones(len(long), bool)


_Found = tuple[State, Float32[np.ndarray, "rows dim"], Int64[np.ndarray, " rows"], float | None]


def _begun(
    ids: UInt8[np.ndarray, "rows 16"], rows: Float32[np.ndarray, "rows dim"], anchor: Anchor, progress: Progress
) -> _Found:
    mean = space.shared_mean(rows, anchor)
    turned = centring.centred(rows, mean)
    graph = neighbours(turned, centring.NEIGHBOURS, lambda share: progress(0.8 * share))
    cosines = scale.possible_centred(anchor, mean)
    merges = linkage.average_linkage(turned, graph, float(cosines[0]))
    progress(0.9)
    best = choose.best_cut(turned, merges, cosines, lambda share: progress(0.9 + 0.1 * share))
    tree = density.grown(turned, graph)
    dense = density.dense(tree, len(rows), _DENSE)
    by_density = choose.denser(turned, dense, best.groups)
    groups = with_singles(dense) if by_density else best.groups
    joined, kept = _above(merges, float(cosines[-1])), tree if by_density else nothing_joined()
    reach = least_firm(turned, without_singles(groups)) if by_density else best.cosine
    after = State(ids, graph, joined, mean, reach, by_density, kept, len(rows))
    return after, turned, groups, best.silhouette


def _continued(
    before: State,
    ids: UInt8[np.ndarray, "rows 16"],
    rows: Float32[np.ndarray, "rows dim"],
    anchor: Anchor,
    progress: Progress,
) -> _Found:
    turned = centring.centred(rows, before.mean)
    graph, joined, tree = state.carried(before, ids, turned, lambda share: progress(0.8 * share))
    if before.by_density:
        groups = with_singles(density.dense(tree, len(rows), _DENSE))
    else:
        merges = linkage.average_linkage(turned, graph, before.cut, joined)
        groups = linkage.cut(merges, len(rows), before.cut)
        joined = _above(merges, float(scale.possible_centred(anchor, before.mean)[-1]))
    progress(1.0)
    return replace(before, ids=ids, graph=graph, joined=joined, tree=tree), turned, groups, None


def _above(merges: Merges, cosine: float) -> Merges:
    certain = merges.cosines >= cosine
    return Merges(merges.left[certain], merges.right[certain], merges.cosines[certain])


def least_firm(rows: Float32[np.ndarray, "rows dim"], labels: Int64[np.ndarray, " rows"]) -> float:
    """The lowest mean cosine of a row to the rest of its cluster: the cut of clusters that no cut made."""
    inside, cosines = _to_the_rest(rows, labels)
    return float(cosines.min()) if len(inside) else 1.0


def _to_the_rest(
    rows: Float32[np.ndarray, "rows dim"], labels: Int64[np.ndarray, " rows"]
) -> tuple[Int64[np.ndarray, " inside"], Float64[np.ndarray, " inside"]]:
    """The clustered rows, and the mean cosine of each to the rest of its cluster."""
    n_clusters = int(labels.max(initial=NOISE)) + 1
    inside = np.flatnonzero(labels >= 0)
    counts, total = sizes(labels, n_clusters), sums(rows, labels, n_clusters)
    cosines = with_rest(rows, labels, inside, total) / np.maximum(counts[labels[inside]] - 1, 1)
    return inside, cosines.astype(np.float64)


def firmness(
    rows: Float32[np.ndarray, "rows dim"], labels: Int64[np.ndarray, " rows"], cut: float
) -> Float64[np.ndarray, " rows"]:
    """How far above the cut a row's mean cosine to the rest of its cluster is, against the firmest row there."""
    firm = np.zeros(len(rows))
    inside, cosines = _to_the_rest(rows, labels)
    if not len(inside):
        return firm
    above = np.maximum(cosines - cut, 0.0)
    highest = np.zeros(int(labels.max()) + 1)
    np.maximum.at(highest, labels[inside], above)
    firm[inside] = np.divide(
        above, highest[labels[inside]], out=np.ones(len(inside)), where=highest[labels[inside]] > 0
    )
    return firm
