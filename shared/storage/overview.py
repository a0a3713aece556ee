"""How the whole stands: services, counts, speakers, and what became of one request or label. Reads only."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from shared.errors import NotFound
from shared.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """The living instances of one service, and how long ago the last of them was through its loop."""

    instances: int
    seen_s_ago: float


_SERVICES = sa.text("""
    SELECT service, count(*) AS instances, extract(epoch FROM clock_timestamp() - max(seen_at))::float AS seen_s_ago
    FROM heartbeat WHERE seen_at > clock_timestamp() - make_interval(secs => :within_s) GROUP BY 1 ORDER BY 1
""")


def services(tx: Transaction, within_s: float) -> dict[str, ServiceSeen]:
    """Every service that was seen in the last `within_s` seconds."""
    rows = tx.execute(_SERVICES, {"within_s": within_s})
    return {row.service: ServiceSeen(row.instances, max(row.seen_s_ago, 0.0)) for row in rows}


_RECORDINGS = sa.text("""
    SELECT state, count(*) AS n FROM recording
    WHERE CAST(:within AS text[]) IS NULL OR collection = ANY(CAST(:within AS text[])) GROUP BY state
    UNION ALL
    SELECT 'rejected', count(*) FROM stored_object
    WHERE state = 'rejected'
      AND (CAST(:within AS text[]) IS NULL OR collection = ANY(CAST(:within AS text[])))
""")


def recordings(tx: Transaction, within: Collection[str] | None = None) -> dict[str, int]:
    """How many recordings are in each state and how many objects were rejected, everywhere or in some collections."""
    values = {"within": None if within is None else list(within)}
    counts = {row.state: row.n for row in tx.execute(_RECORDINGS, values)}
    return {state: counts.get(state, 0) for state in ("registered", "segmented", "ready", "rejected")}


_UNPACKING = sa.text("""
    SELECT count(*) FROM archive
    WHERE state = 'unpacking' AND (CAST(:within AS text[]) IS NULL OR collection = ANY(CAST(:within AS text[])))
""")


def n_unpacking(tx: Transaction, within: Collection[str] | None = None) -> int:
    """How many archives are being unpacked, everywhere or in some collections."""
    values = {"within": None if within is None else list(within)}
    return int(tx.execute(_UNPACKING, values).scalar_one())


@dataclass(frozen=True, slots=True)
class SpeakerSeen:
    """A named speaker; `human` counts the segments that a person named, `also` are the names merged into this one."""

    speaker_id: UUID
    name: str
    also: list[str]
    segments: int
    recordings: int
    human: int


_SPEAKERS = sa.text("""
    SELECT p.speaker_id, p.name, count(s.segment_id) AS segments, count(DISTINCT s.recording_id) AS recordings,
           count(s.segment_id) FILTER (WHERE a.assigned_by = 'human') AS human,
           ARRAY(SELECT o.name FROM speaker o
                 WHERE o.canonical_id = p.speaker_id AND o.speaker_id <> p.speaker_id
                   AND (CAST(:within AS text[]) IS NULL OR EXISTS (
                       SELECT FROM word w JOIN segment s USING (segment_id)
                       WHERE w.speaker_id = o.speaker_id AND s.collection = ANY(CAST(:within AS text[]))))
                 ORDER BY 1) AS also
    FROM speaker p
    LEFT JOIN assignment a ON a.speaker_id = p.speaker_id
        AND (CAST(:within AS text[]) IS NULL OR a.collection = ANY(CAST(:within AS text[])))
    LEFT JOIN segment s USING (segment_id)
    WHERE p.canonical_id = p.speaker_id
    GROUP BY p.speaker_id, p.name ORDER BY p.name
""")


def speakers(tx: Transaction, within: Collection[str] | None = None) -> list[SpeakerSeen]:
    """All of them, by name, and what they say in some collections; None is in all.

    Of the names merged into one, those that somebody was called there.
    """
    values = {"within": None if within is None else list(within)}
    return [SpeakerSeen(**row) for row in tx.execute(_SPEAKERS, values).mappings()]


class UnknownClustering(NotFound):
    """Ask for a clustering again; its answer holds the request_id to look up."""

    code = "unknown_clustering"


@dataclass(frozen=True, slots=True)
class ClusteringState:
    """A request for clusters; the numbers come with state `done`.

    Of a method that was only compared with what stands there is no generation, but `standing` and `agreement`.
    """

    request_id: UUID
    collection: str
    state: str
    generation: int | None
    clusters: int | None
    noise: int | None
    segments: int | None
    method: str
    applied: bool
    standing: dict[str, int] | None
    agreement: float | None
    code: str | None  # of what went wrong, and why, in state `failed`
    reason: str | None


_CLUSTERING = sa.text("""
    SELECT request_id, collection, generation,
           CASE WHEN finished_at IS NULL THEN 'requested' WHEN parameters ? 'code' THEN 'failed'
                ELSE 'done' END AS state,
           n_clusters AS clusters, n_noise AS noise, n_segments AS segments,
           coalesce(asked->>'method', 'auto') AS method, generation IS NOT NULL AS applied,
           parameters->'standing' AS standing, (parameters->>'agreement')::float AS agreement,
           parameters->>'code' AS code, parameters->>'reason' AS reason
    FROM clustering WHERE request_id = :request_id
""")


def clustering(tx: Transaction, request_id: UUID) -> ClusteringState:
    """Raises UnknownClustering."""
    row = tx.execute(_CLUSTERING, {"request_id": request_id}).mappings().one_or_none()
    if row is None:
        raise UnknownClustering(f"No clustering {request_id}.")
    return ClusteringState(**row)
