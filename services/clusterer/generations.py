"""Find the clusters of a collection and write them as its next generation."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from services.clusterer.density import NOISE, hdbscan, portrait
from shared.events import ClustersUpdated
from shared.settings import ClustererSettings
from shared.storage import clusters, embeddings, encoders
from shared.storage.clusters import NewCluster, Report
from shared.storage.database import Database, Transaction
from shared.storage.embeddings import Vectors


@dataclass(frozen=True, slots=True)
class Found:
    """The clusters of a collection in one encoder's space, not yet written."""

    encoder: str
    clusters: list[NewCluster]
    n_segments: int


def find(database: Database, collection: str, encoder: str, settings: ClustererSettings) -> Found:
    """Cluster every vector of a collection; reads in one short transaction and holds none while it thinks."""
    with database.begin() as tx:
        vectors = embeddings.of_collection(tx, encoders.by_name(tx, encoder), collection)
        recordings = clusters.recordings_of(tx, vectors.segment_ids())
    return Found(encoder, _clusters(vectors, recordings, settings), len(vectors.ids))


def _clusters(vectors: Vectors, recordings: Mapping[UUID, UUID], settings: ClustererSettings) -> list[NewCluster]:
    clustering = hdbscan(vectors.rows, settings.min_cluster_size)
    segment_ids = vectors.segment_ids()
    found = []
    for number in range(int(clustering.labels.max(initial=NOISE)) + 1):
        members = np.flatnonzero(clustering.labels == number)
        looks = portrait(vectors.rows[members])
        member_ids = tuple(segment_ids[m] for m in members)
        found.append(
            NewCluster(
                segment_ids=member_ids,
                probabilities=tuple(float(p) for p in clustering.probabilities[members]),
                n_recordings=len({recordings[m] for m in member_ids if m in recordings}),
                cohesion=looks.cohesion,
                exemplar_segment_id=member_ids[looks.exemplar],
            )
        )
    return found


def write(tx: Transaction, collection: str, found: Found) -> Report:
    """Make them the standing clusters; noise belongs to none."""
    generation = clusters.write_generation(tx, collection, found.encoder, found.clusters)
    n_noise = found.n_segments - sum(len(c.segment_ids) for c in found.clusters)
    return Report(generation, len(found.clusters), n_noise, found.n_segments)


def finish(tx: Transaction, request_id: UUID, report: Report, settings: ClustererSettings) -> None:
    """Write the outcome and what it was found with onto the request."""
    parameters = {"method": "hdbscan", "min_cluster_size": settings.min_cluster_size, "min_samples": 1}
    clusters.finish(tx, request_id, report, parameters)


def event(request_id: UUID, collection: str, encoder: str, report: Report) -> ClustersUpdated:
    """What is announced of a generation."""
    return ClustersUpdated(
        request_id=request_id,
        collection=collection,
        encoder=encoder,
        generation=report.generation,
        n_clusters=report.n_clusters,
        n_noise=report.n_noise,
        n_segments=report.n_segments,
    )
