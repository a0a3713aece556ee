"""Generations of clusters. A cluster's id is derived from its members: the same members are the same cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.events import ClusteringRequested
from shared.ids import NAMESPACE, new_id
from shared.storage.database import Transaction
from shared.storage.tables import cluster, clustering


@dataclass(frozen=True, slots=True)
class NewCluster:
    """One cluster as the clusterer found it; `cohesion` is the mean cosine of its members to their mean direction."""

    segment_ids: tuple[UUID, ...]
    probabilities: tuple[float, ...]
    n_recordings: int
    cohesion: float
    exemplar_segment_id: UUID


def request(tx: Transaction, collection: str, encoder: str) -> ClusteringRequested:
    """Write a request down; the caller publishes the event in the same transaction."""
    event = ClusteringRequested(request_id=new_id(), collection=collection, encoder=encoder)
    tx.execute(
        sa.insert(clustering).values(request_id=event.request_id, collection=collection, encoder=encoder),
    )
    return event


def cluster_id(collection: str, encoder: str, segment_ids: Sequence[UUID]) -> UUID:
    """The id of a set of segments, in any order."""
    return uuid5(NAMESPACE, f"cluster:{collection}:{encoder}:" + ",".join(sorted(map(str, segment_ids))))


_GENERATION = sa.text("""
    SELECT coalesce(max(generation), 0) + 1 FROM clustering WHERE collection = :collection AND encoder = :encoder
""")
_MEMBERS = sa.text("""
    INSERT INTO cluster_member (cluster_id, segment_id, probability)
    SELECT :cluster_id, n.segment_id, n.probability
    FROM unnest(CAST(:segment_ids AS uuid[]), CAST(:probabilities AS real[])) AS n(segment_id, probability)
    JOIN segment USING (segment_id)
    ON CONFLICT (cluster_id, segment_id) DO UPDATE SET probability = excluded.probability
""")
_RETIRE = sa.text('UPDATE cluster SET "current" = false WHERE collection = :collection AND "current"')


def write_generation(tx: Transaction, collection: str, encoder: str, clusters: Sequence[NewCluster]) -> int:
    """Make these the standing clusters of a collection; returns the generation. Call it under `labels.lock_names`."""
    key = {"collection": collection, "encoder": encoder}
    generation = int(tx.execute(_GENERATION, key).scalar_one())
    tx.execute(_RETIRE, {"collection": collection})
    for new in clusters:
        own_id = cluster_id(collection, encoder, new.segment_ids)
        facts = {
            "generation": generation,
            "current": True,
            "n_segments": len(new.segment_ids),
            "n_recordings": new.n_recordings,
            "cohesion": new.cohesion,
            "exemplar_segment_id": new.exemplar_segment_id,
        }
        statement = insert(cluster).values(cluster_id=own_id, **key, **facts)
        tx.execute(statement.on_conflict_do_update(index_elements=["cluster_id"], set_=facts))
        members = {"segment_ids": list(new.segment_ids), "probabilities": list(new.probabilities)}
        tx.execute(_MEMBERS, {"cluster_id": own_id, **members})
    return generation


@dataclass(frozen=True, slots=True)
class Report:
    """What a clustering found."""

    generation: int
    n_clusters: int
    n_noise: int
    n_segments: int


def finish(tx: Transaction, request_id: UUID, report: Report, parameters: dict[str, Any]) -> None:
    """Write the outcome onto its request."""
    tx.execute(
        sa.update(clustering)
        .where(clustering.c.request_id == request_id)
        .values(
            generation=report.generation,
            n_clusters=report.n_clusters,
            n_noise=report.n_noise,
            n_segments=report.n_segments,
            parameters=parameters,
            finished_at=sa.func.clock_timestamp(),
        )
    )


def members(tx: Transaction, cluster_ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """The segments of each cluster."""
    rows = tx.execute(
        sa.text("SELECT cluster_id, segment_id FROM cluster_member WHERE cluster_id = ANY(:ids) ORDER BY segment_id"),
        {"ids": list(cluster_ids)},
    )
    found: dict[UUID, list[UUID]] = {}
    for row in rows:
        found.setdefault(row.cluster_id, []).append(row.segment_id)
    return found


def current_cluster_of(tx: Transaction, segment_id: UUID) -> UUID | None:
    """The standing cluster that holds a segment, None for noise or before the first clustering."""
    found: UUID | None = tx.execute(
        sa.text("""
            SELECT c.cluster_id FROM cluster_member m JOIN cluster c USING (cluster_id)
            WHERE m.segment_id = :segment_id AND c."current"
        """),
        {"segment_id": segment_id},
    ).scalar_one_or_none()
    return found


def current(tx: Transaction, collection: str) -> list[UUID]:
    """The standing clusters of a collection."""
    statement = sa.select(cluster.c.cluster_id).where(cluster.c.collection == collection, cluster.c.current)
    return list(tx.execute(statement).scalars())


def recordings_of(tx: Transaction, segment_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """The recording of each segment."""
    rows = tx.execute(
        sa.text("SELECT segment_id, recording_id FROM segment WHERE segment_id = ANY(:ids)"), {"ids": list(segment_ids)}
    )
    return {row.segment_id: row.recording_id for row in rows}
