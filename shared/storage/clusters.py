"""Generations of clusters. A cluster keeps its id while it keeps its voice; members are written from when to when."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.errors import PermanentError
from shared.events import ClusteringRequested
from shared.ids import new_id
from shared.storage.database import Transaction
from shared.storage.tables import cluster, clustering


@dataclass(frozen=True, slots=True)
class NewCluster:
    """One cluster as the clusterer found it; `cohesion` is the mean cosine of its members to their mean direction."""

    cluster_id: UUID
    segment_ids: tuple[UUID, ...]
    probabilities: tuple[float, ...]
    n_recordings: int
    cohesion: float
    exemplar_segment_id: UUID
    trust: dict[str, Any] = field(default_factory=dict)


def request(tx: Transaction, collection: str, encoder: str, asked: dict[str, Any] | None = None) -> ClusteringRequested:
    """Write a request down; the caller publishes the event in the same transaction."""
    event = ClusteringRequested(request_id=new_id(), collection=collection, encoder=encoder)
    values = {"request_id": event.request_id, "collection": collection, "encoder": encoder, "asked": asked or {}}
    tx.execute(sa.insert(clustering).values(values))
    return event


def asked_for(tx: Transaction, request_id: UUID) -> dict[str, Any]:
    """The method and options that a request named; empty: the defaults."""
    return dict(tx.execute(sa.select(clustering.c.asked).where(clustering.c.request_id == request_id)).scalar_one())


_GENERATION = sa.text("""
    SELECT coalesce(max(generation), 0) FROM clustering WHERE collection = :collection AND encoder = :encoder
""")
_CLUSTERS = sa.text("""
    INSERT INTO cluster (cluster_id, collection, encoder, born, generation, "current", n_segments, n_recordings,
                         cohesion, exemplar_segment_id, trust)
    SELECT n.cluster_id, :collection, :encoder, :generation, :generation, true, n.n_segments, n.n_recordings,
           n.cohesion, n.exemplar, n.trust
    FROM unnest(CAST(:ids AS uuid[]), CAST(:n_segments AS int[]), CAST(:n_recordings AS int[]),
                CAST(:cohesions AS real[]), CAST(:exemplars AS uuid[]), CAST(:trusts AS jsonb[]))
         AS n(cluster_id, n_segments, n_recordings, cohesion, exemplar, trust)
    ON CONFLICT (cluster_id) DO UPDATE SET
        generation = excluded.generation, "current" = true, n_segments = excluded.n_segments,
        n_recordings = excluded.n_recordings, cohesion = excluded.cohesion,
        exemplar_segment_id = excluded.exemplar_segment_id, trust = excluded.trust
""")
_RETIRE = sa.text("""
    UPDATE cluster SET "current" = false
    WHERE collection = :collection AND encoder = :encoder AND "current" AND generation < :generation
""")
_WANTED = """
    wanted AS (
        SELECT n.segment_id, n.cluster_id, n.probability
        FROM unnest(CAST(:segment_ids AS uuid[]), CAST(:cluster_ids AS uuid[]), CAST(:probabilities AS real[]))
             AS n(segment_id, cluster_id, probability)
        JOIN segment USING (segment_id)
    )
"""
_LEAVE = sa.text(f"""
    WITH {_WANTED}
    UPDATE cluster_member m SET until_generation = :generation
    FROM cluster c
    WHERE c.cluster_id = m.cluster_id AND c.collection = :collection AND m.encoder = :encoder
      AND m.until_generation IS NULL
      AND NOT EXISTS (SELECT FROM wanted w WHERE w.segment_id = m.segment_id AND w.cluster_id = m.cluster_id)
""")  # noqa: S608  # constants
_JOIN = sa.text(f"""
    WITH {_WANTED}
    INSERT INTO cluster_member (encoder, segment_id, from_generation, cluster_id, probability)
    SELECT :encoder, segment_id, :generation, cluster_id, probability FROM wanted
    ON CONFLICT (encoder, segment_id) WHERE until_generation IS NULL
    DO UPDATE SET probability = excluded.probability WHERE cluster_member.probability <> excluded.probability
""")  # noqa: S608  # constants


def write_generation(tx: Transaction, collection: str, encoder: str, clusters: Sequence[NewCluster]) -> int:
    """Make these the standing clusters of a collection; returns the generation. Call it under `labels.lock_names`.

    Rows are written for those only who changed their cluster.
    """
    key = {"collection": collection, "encoder": encoder}
    generation = generation_of(tx, collection, encoder) + 1
    _write_clusters(tx, {**key, "generation": generation}, clusters)
    tx.execute(_RETIRE, {**key, "generation": generation})
    members = [(s, c.cluster_id, p) for c in clusters for s, p in zip(c.segment_ids, c.probabilities, strict=True)]
    wanted = {**_columns(members), **key, "generation": generation}
    tx.execute(_LEAVE, wanted)
    tx.execute(_JOIN, {k: v for k, v in wanted.items() if k != "collection"})
    return generation


def _write_clusters(tx: Transaction, key: dict[str, Any], clusters: Sequence[NewCluster]) -> None:
    from psycopg.types.json import Jsonb

    values = {
        "ids": [c.cluster_id for c in clusters],
        "n_segments": [len(c.segment_ids) for c in clusters],
        "n_recordings": [c.n_recordings for c in clusters],
        "cohesions": [c.cohesion for c in clusters],
        "exemplars": [c.exemplar_segment_id for c in clusters],
        "trusts": [Jsonb(c.trust) for c in clusters],
    }
    tx.execute(_CLUSTERS, {**key, **values})


def _columns(members: Sequence[tuple[UUID, UUID, float]]) -> dict[str, list[Any]]:
    names = ("segment_ids", "cluster_ids", "probabilities")
    return {name: [member[i] for member in members] for i, name in enumerate(names)}


def generation_of(tx: Transaction, collection: str, encoder: str) -> int:
    """The generation that stands; 0 before the first clustering."""
    return int(tx.execute(_GENERATION, {"collection": collection, "encoder": encoder}).scalar_one())


def join(tx: Transaction, collection: str, encoder: str, members: Sequence[tuple[UUID, UUID, float]]) -> None:
    """Let (segment, cluster, probability) arrive in standing clusters. Call it under `labels.lock_names`."""
    if members:
        generation = generation_of(tx, collection, encoder)
        tx.execute(_ARRIVE, {**_columns(members), "encoder": encoder, "generation": generation})
        tx.execute(_COUNT, {"ids": sorted({cluster_id for _, cluster_id, _ in members})})


_ARRIVE = sa.text(f"""
    WITH {_WANTED}
    INSERT INTO cluster_member (encoder, segment_id, from_generation, cluster_id, probability)
    SELECT :encoder, segment_id, :generation, cluster_id, probability FROM wanted
    ON CONFLICT DO NOTHING
""")  # noqa: S608  # constants
_COUNT = sa.text("""
    UPDATE cluster c SET n_segments = n.n_segments, n_recordings = n.n_recordings
    FROM (SELECT m.cluster_id, count(*) AS n_segments, count(DISTINCT s.recording_id) AS n_recordings
          FROM cluster_member m JOIN segment s USING (segment_id)
          WHERE m.cluster_id = ANY(:ids) AND m.until_generation IS NULL GROUP BY 1) AS n
    WHERE c.cluster_id = n.cluster_id
""")


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


def fail(tx: Transaction, request_id: UUID, error: PermanentError) -> None:
    """Write onto a request why there will be no clusters."""
    failed = {"parameters": {"code": error.code, "reason": error.sentence()}, "finished_at": sa.func.clock_timestamp()}
    tx.execute(sa.update(clustering).where(clustering.c.request_id == request_id).values(failed))


Members = dict[UUID, dict[UUID, float]]
"""The segments of each cluster, and how firmly each belongs there."""


def members(tx: Transaction, cluster_ids: Sequence[UUID]) -> Members:
    """Those of the clusters that stand, by id, and in each by segment."""
    rows = tx.execute(
        sa.text("""
            SELECT cluster_id, segment_id, probability FROM cluster_member
            WHERE cluster_id = ANY(:ids) AND until_generation IS NULL ORDER BY cluster_id, segment_id
        """),
        {"ids": list(cluster_ids)},
    )
    found: Members = {}
    for row in rows:
        found.setdefault(row.cluster_id, {})[row.segment_id] = row.probability
    return found


def clusters_of(tx: Transaction, encoder: str, segment_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """The standing cluster of each segment; noise, and whoever came since, has none."""
    return {s: cluster_id for s, (cluster_id, _) in firmness(tx, encoder, segment_ids).items()}


def firmness(tx: Transaction, encoder: str, segment_ids: Sequence[UUID]) -> dict[UUID, tuple[UUID, float]]:
    """The standing cluster of each segment, and how firmly it belongs there."""
    rows = tx.execute(
        sa.text("""
            SELECT segment_id, cluster_id, probability FROM cluster_member
            WHERE encoder = :encoder AND segment_id = ANY(:ids) AND until_generation IS NULL
        """),
        {"encoder": encoder, "ids": list(segment_ids)},
    )
    return {row.segment_id: (row.cluster_id, row.probability) for row in rows}


def standing(tx: Transaction, collection: str, encoder: str) -> list[UUID]:
    """The standing clusters of a collection in one space, by id."""
    statement = sa.select(cluster.c.cluster_id).where(
        cluster.c.collection == collection, cluster.c.encoder == encoder, cluster.c.current
    )
    return list(tx.execute(statement.order_by(cluster.c.cluster_id)).scalars())


def recordings_of(tx: Transaction, segment_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """The recording of each segment."""
    rows = tx.execute(
        sa.text("SELECT segment_id, recording_id FROM segment WHERE segment_id = ANY(:ids)"), {"ids": list(segment_ids)}
    )
    return {row.segment_id: row.recording_id for row in rows}


_RECOUNT = sa.text("""
    UPDATE cluster c SET n_segments = n.n_segments, n_recordings = n.n_recordings, "current" = n.n_segments > 0,
           exemplar_segment_id = coalesce(n.exemplar, '00000000-0000-0000-0000-000000000000'),
           trust = c.trust || jsonb_build_object('exemplars', (
               SELECT coalesce(jsonb_agg(e.id), '[]') FROM jsonb_array_elements_text(c.trust->'exemplars') AS e(id)
               WHERE EXISTS (SELECT FROM segment WHERE segment_id = CAST(e.id AS uuid))))
    FROM (
        SELECT k.cluster_id, count(m.segment_id) AS n_segments, count(DISTINCT s.recording_id) AS n_recordings,
               coalesce((array_agg(m.segment_id) FILTER (WHERE m.segment_id = k.exemplar_segment_id))[1],
                        (array_agg(m.segment_id ORDER BY m.probability DESC, m.segment_id))[1]) AS exemplar
        FROM cluster k
        LEFT JOIN cluster_member m ON m.cluster_id = k.cluster_id AND m.until_generation IS NULL
        LEFT JOIN segment s ON s.segment_id = m.segment_id
        WHERE k.collection = :collection AND (k."current" OR EXISTS (
            SELECT FROM jsonb_array_elements_text(
                coalesce(k.trust->'exemplars', '[]') || to_jsonb(k.exemplar_segment_id)) AS e(id)
            WHERE NOT EXISTS (SELECT FROM segment WHERE segment_id = CAST(e.id AS uuid))))
        GROUP BY k.cluster_id
    ) AS n
    WHERE c.cluster_id = n.cluster_id
      AND (c.n_segments, c.exemplar_segment_id) IS DISTINCT FROM (n.n_segments, n.exemplar)
""")


def recount(tx: Transaction, collection: str) -> None:
    """After segments are gone: sizes and exemplars of the standing clusters; one without members stands no more.

    Those that stood earlier forget exemplars that are gone.
    """
    tx.execute(_RECOUNT, {"collection": collection})


_EXEMPLARS = sa.text("SELECT cluster_id, trust->'exemplars' AS ids FROM cluster WHERE cluster_id = ANY(:ids)")


def exemplars(tx: Transaction, cluster_ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """The most typical segments of each cluster."""
    rows = tx.execute(_EXEMPLARS, {"ids": list(cluster_ids)})
    return {row.cluster_id: [UUID(s) for s in row.ids or ()] for row in rows}


_EXEMPLARS_AMONG = sa.text("""
    SELECT exemplar_segment_id FROM cluster WHERE "current" AND exemplar_segment_id = ANY(:ids)
""")


def exemplars_among(tx: Transaction, segment_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the segments that stand for their cluster."""
    return set(tx.execute(_EXEMPLARS_AMONG, {"ids": list(segment_ids)}).scalars())
