"""Find the clusters of a collection and write them as its next generation, under the ids that they continue."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import numpy as np
from jaxtyping import Float32, Float64, Int64

from services.clusterer import judging, standing
from services.clusterer.clustering import alternatives, continuity, state
from services.clusterer.clustering.cluster import refit
from services.clusterer.clustering.types import (
    NOISE,
    UNNAMED,
    Anchor,
    Clustering,
    Method,
    Said,
    State,
    Trust,
    nothing_said,
)
from services.clusterer.spreading import Membership, names_of_clusters, voices_of_clusters
from shared.errors import TransientError
from shared.events import ClustersUpdated
from shared.ids import new_id
from shared.storage import clustering_states, clusters, embeddings, encoders, generations_before, segments, words
from shared.storage.clustering_states import Left
from shared.storage.clusters import NewCluster, Report
from shared.storage.database import Database, Transaction
from shared.storage.encoders import StoredEncoder


class SegmentsGone(TransientError):
    """Segments were split or erased while their clusters were being found: they are found anew without them."""

    code = "segments_gone"


@dataclass(frozen=True, slots=True)
class Material:
    """What a collection is clustered from: row i is `segment_ids[i]`."""

    collection: str
    encoder: StoredEncoder
    segment_ids: list[UUID]
    rows: Float32[np.ndarray, "rows dim"]
    durations_s: Float64[np.ndarray, " rows"]
    recordings: Mapping[UUID, UUID]
    said: Said
    before: bytes | None


@dataclass(frozen=True, slots=True)
class Found:
    """The clusters of a collection in one encoder's space, not yet written; `state` is None for a chosen method."""

    material: Material
    clustering: Clustering
    state: State | None
    trusts: list[Trust]


def find(
    database: Database, collection: str, encoder: str, method: Method = "auto", subset_id: UUID | None = None
) -> Found:
    """Cluster every vector of a collection, or of a subset of it, which begins from nothing that stands.

    Reads in one short transaction and holds none while it thinks.

    Methods other than `auto` are for comparison: they leave nothing behind for arrivals and for the next clustering.
    """
    with database.begin() as tx:
        material = _read(tx, collection, encoders.by_name(tx, encoder), subset_id)
    clustering, kept = _clustered(material, method)
    trusts = judging.judged(clustering, kept, material.segment_ids, material.rows, material.recordings)
    return Found(material, clustering, kept, trusts)


def _clustered(material: Material, method: Method) -> tuple[Clustering, State | None]:
    spec = material.encoder.spec
    anchor = Anchor(float(spec["assign_threshold"]), float(spec["min_duration_s"]))
    given = (material.rows, material.durations_s, anchor, material.said)
    if method != "auto":
        return alternatives.by_method(method, *given), None
    before = state.from_bytes(material.before) if material.before else None
    ids = np.frombuffer(b"".join(s.bytes for s in material.segment_ids), np.uint8).reshape(-1, 16)
    found = refit(before, ids, *given)
    return found.clustering, found.state


def _read(tx: Transaction, collection: str, encoder: StoredEncoder, subset_id: UUID | None) -> Material:
    if subset_id is None:
        generation = clusters.generation_of(tx, collection, encoder.name)
        before = clustering_states.state(tx, collection, encoder.space, generation)
        vectors = embeddings.of_collection(tx, encoder, collection)
    else:
        before, vectors = None, embeddings.of_subset(tx, encoder, subset_id)
    segment_ids = vectors.segment_ids()
    return Material(
        collection=collection,
        encoder=encoder,
        segment_ids=segment_ids,
        rows=vectors.rows,
        durations_s=segments.durations_s(tx, segment_ids),
        recordings=clusters.recordings_of(tx, segment_ids),
        said=_said(tx, segment_ids) if encoder.hears else nothing_said(len(segment_ids)),
        before=before,
    )


def _said(tx: Transaction, segment_ids: Sequence[UUID]) -> Said:
    """Segments of one named speaker belong together, those of two do not, nor a segment and whom it was denied to.

    A word on a cluster says it of the cluster's exemplar alone: who is in the cluster is what is to be found out.
    """
    row_of = {segment_id: row for row, segment_id in enumerate(segment_ids)}
    spoken = words.said(tx, segment_ids)
    exemplars = clusters.exemplars_among(tx, [s for s, word in spoken.items() if word.kind == "cluster"])
    numbers: dict[UUID, int] = {}
    speakers = np.full(len(segment_ids), UNNAMED, np.int64)
    first: dict[UUID, int] = {}
    for segment_id, word in sorted(spoken.items()):
        if word.kind != "cluster" or segment_id in exemplars:
            speakers[row_of[segment_id]] = numbers.setdefault(word.speaker_id, len(numbers))
            first.setdefault(word.speaker_id, row_of[segment_id])
    denied = [(row_of[s], first[p]) for s, p in sorted(words.rejected(tx, segment_ids)) if p in first]
    return Said(speakers, _pairs(denied))


def _pairs(pairs: Sequence[tuple[int, int]]) -> Int64[np.ndarray, "pairs 2"]:
    return np.array([p for p in pairs if p[0] != p[1]], np.int64).reshape(-1, 2)


def write(tx: Transaction, found: Found) -> Report:
    """Make them the standing clusters, and keep those before them; noise belongs to none.

    Call it under the names lock. Raises SegmentsGone.
    """
    material, clustering = found.material, found.clustering
    if len(clusters.recordings_of(tx, material.segment_ids)) < len(material.segment_ids):
        raise SegmentsGone
    name = material.encoder.name
    new = _clusters(tx, found)
    before = clusters.generation_of(tx, material.collection, name)
    generations_before.keep(tx, material.collection, material.encoder, before)
    generations_before.forget_before(tx, material.collection, material.encoder, before)
    generation = clusters.write_generation(tx, material.collection, name, new)
    if found.state is not None:
        known = standing.known(material.rows, clustering, [c.cluster_id for c in new])
        left = Left(generation, state.to_bytes(found.state), known.to_bytes())
        clustering_states.write(tx, material.collection, material.encoder.space, left)
    n_noise = int((clustering.labels == NOISE).sum())
    return Report(generation, len(new), n_noise, len(material.segment_ids))


def _clusters(tx: Transaction, found: Found) -> list[NewCluster]:
    """The clusters with their facts, under the ids of the standing ones that they continue."""
    material, clustering = found.material, found.clustering
    members = {
        number: np.flatnonzero(clustering.labels == number)
        for number in range(int(clustering.labels.max(initial=NOISE)) + 1)
    }
    fresh = {number: {material.segment_ids[row] for row in rows} for number, rows in members.items()}
    continued = _continued(tx, material, fresh)
    return [
        NewCluster(
            cluster_id=continued[number] or new_id(),
            segment_ids=tuple(material.segment_ids[row] for row in rows),
            probabilities=tuple(float(p) for p in clustering.probabilities[rows]),
            n_recordings=found.trusts[number].n_recordings,
            cohesion=found.trusts[number].cohesion,
            exemplar_segment_id=material.segment_ids[found.trusts[number].exemplars[0]],
            trust=judging.shown(found.trusts[number], material.segment_ids),
        )
        for number, rows in members.items()
    ]


def _continued(tx: Transaction, material: Material, fresh: Mapping[int, set[UUID]]) -> dict[int, UUID | None]:
    """Which standing cluster each fresh one continues, as everything stands now."""
    name = material.encoder.name
    now = clusters.members(tx, clusters.standing(tx, material.collection, name))
    membership = {s: Membership(c, p) for c, inside in now.items() for s, p in inside.items()}
    said = words.said(tx, list(membership)) if material.encoder.hears else {}
    names = names_of_clusters(voices_of_clusters(membership, said), words.cluster_names(tx, list(now)))
    named = {cluster_id: str(word.speaker_id) for cluster_id, word in names.items()}
    return continuity.matched(fresh, {c: set(inside) for c, inside in now.items()}, named)


def finish(tx: Transaction, request_id: UUID, report: Report, found: Found) -> None:
    """Write the outcome and what it was found with onto the request."""
    clusters.finish(tx, request_id, report, parameters(found))


def parameters(found: Found) -> dict[str, Any]:
    """What clusters were found with: the method, and what it chose."""
    chosen: dict[str, Any] = asdict(found.clustering.chosen)
    return {"method": found.clustering.method, **{k: v for k, v in chosen.items() if v is not None}}


def event(request_id: UUID, found: Found, report: Report) -> ClustersUpdated:
    """What is announced of a generation."""
    return ClustersUpdated(
        request_id=request_id,
        collection=found.material.collection,
        encoder=found.material.encoder.name,
        generation=report.generation,
        n_clusters=report.n_clusters,
        n_noise=report.n_noise,
        n_segments=report.n_segments,
    )
