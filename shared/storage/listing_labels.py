"""Pages of the clusters of a collection and of its label log, how far it is named, and who was who. Reads only."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from shared.storage.database import Transaction

_FIRST_UUID: Final = UUID(int=0)
_LAST_UUID: Final = UUID(int=2**128 - 1)
_FIRST_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_TIME: Final = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ListedCluster:
    """A standing cluster; `speakers` are whom its members were given by a person, a cluster or an import.

    Each as its name and how many segments; the first of them, of the most, is `speaker`.
    """

    cluster_id: UUID
    segments: int
    recordings: int
    speaker: str | None
    speakers: list[dict[str, Any]]
    cohesion: float
    exemplar_segment_id: UUID
    trust: dict[str, Any]


# The page comes first: the members of no other cluster are looked at.
CLUSTERS = sa.text("""
    SELECT c.cluster_id, c.n_segments AS segments, c.n_recordings AS recordings, c.cohesion, c.exemplar_segment_id,
           c.trust, n.speakers->0->>'name' AS speaker, n.speakers
    FROM (
        SELECT * FROM cluster
        WHERE collection = :collection AND "current" AND encoder = :encoder
          AND (-n_segments, cluster_id) > (-CAST(:n_segments AS bigint), CAST(:cluster_id AS uuid))
        ORDER BY -n_segments, cluster_id LIMIT :most
    ) AS c, LATERAL (
        SELECT coalesce(jsonb_agg(jsonb_build_object('name', name, 'segments', n) ORDER BY n DESC, name), '[]')
               AS speakers
        FROM (
            SELECT p.name, count(*) AS n
            FROM cluster_member m JOIN assignment a USING (segment_id) JOIN speaker p USING (speaker_id)
            WHERE m.cluster_id = c.cluster_id AND m.until_generation IS NULL
              AND a.assigned_by IN ('human', 'cluster', 'import')
            GROUP BY p.name) AS each
    ) AS n
    ORDER BY -c.n_segments, c.cluster_id
""")


def clusters(
    tx: Transaction, collection: str, encoder: str, *, after: tuple[int, UUID] = (2**31, _FIRST_UUID), most: int
) -> list[ListedCluster]:
    """Those in the space of an encoder, the largest first."""
    place = {"n_segments": after[0], "cluster_id": after[1], "most": most}
    values = {"collection": collection, "encoder": encoder, **place}
    return [ListedCluster(**row) for row in tx.execute(CLUSTERS, values).mappings()]


@dataclass(frozen=True, slots=True)
class ListedLabel:
    """An entry of the label log; `segments` is how many it changed."""

    label_id: UUID
    operation: str
    speaker: str | None
    segment_id: UUID | None
    cluster_id: UUID | None
    actor: str
    cause_id: UUID | None
    undoes_id: UUID | None
    active: bool
    detail: dict[str, Any]
    segments: int
    created_at: datetime


# Whether the reader may hear of a speaker: in the collections that they are confined to, somebody was called so.
_IS_HEARD = """
    (CAST(:within AS text[]) IS NULL OR l.collection IS NOT NULL
     OR EXISTS (SELECT FROM assignment a WHERE a.speaker_id = {speaker} AND a.collection = ANY(:within))
     OR EXISTS (SELECT FROM word w JOIN segment s USING (segment_id)
                WHERE w.speaker_id = {speaker} AND s.collection = ANY(:within)))
"""


def _labels(comes_after: str, order: str) -> sa.TextClause:
    """What concerns all collections is found by itself and put between: one condition would read the whole log."""
    return sa.text(f"""
    WITH own AS (
        SELECT * FROM label
        WHERE collection = :collection AND (created_at, label_id) {comes_after} (:created_at, :label_id)
        ORDER BY created_at {order}, label_id {order} LIMIT :most
    ), everywhere AS (
        SELECT * FROM label l
        WHERE collection IS NULL AND (created_at, label_id) {comes_after} (:created_at, :label_id)
          AND (detail->'collections' ? :collection OR EXISTS (
              SELECT FROM assignment a WHERE a.collection = :collection AND a.speaker_id = l.speaker_id))
        ORDER BY created_at {order}, label_id {order} LIMIT :most
    )
    SELECT l.label_id, l.operation, p.name AS speaker, l.segment_id, l.cluster_id, l.actor, l.cause_id, l.undoes_id,
           l.active, l.detail, l.created_at,
           (SELECT count(*) FROM label_effect e WHERE e.label_id = l.label_id
            AND (CAST(:within AS text[]) IS NULL OR l.collection IS NOT NULL OR EXISTS (
                SELECT FROM segment s WHERE s.segment_id = e.segment_id AND s.collection = ANY(:within)))) AS segments,
           {_IS_HEARD.format(speaker="l.speaker_id")} AS is_heard,
           {_IS_HEARD.format(speaker="l.other_speaker_id")} AS is_other_heard
    FROM (SELECT * FROM own UNION ALL SELECT * FROM everywhere) l LEFT JOIN speaker p USING (speaker_id)
    ORDER BY l.created_at {order}, l.label_id {order} LIMIT :most
""")  # noqa: S608  # constants


_OLDEST_FIRST: Final = _labels(">", "ASC")
_NEWEST_FIRST: Final = _labels("<", "DESC")


def labels(
    tx: Transaction,
    collection: str,
    within: Collection[str] | None = None,
    *,
    newest_first: bool = False,
    after: tuple[datetime, UUID] | None = None,
    most: int,
) -> list[ListedLabel]:
    """The log from one end to the other.

    Of what concerns all collections, a reader who is confined to some sees what happened within them: those names only.
    """
    created_at, label_id = after or ((_LAST_TIME, _LAST_UUID) if newest_first else (_FIRST_TIME, _FIRST_UUID))
    values = {"collection": collection, "created_at": created_at, "label_id": label_id, "most": most}
    values["within"] = None if within is None else list(within)
    rows = tx.execute(_NEWEST_FIRST if newest_first else _OLDEST_FIRST, values)
    return [_listed(dict(row), within) for row in rows.mappings()]


_NAMES: Final = {"stays": "is_heard", "from": "is_heard", "to": "is_heard", "goes": "is_other_heard"}


def _listed(row: dict[str, Any], within: Collection[str] | None) -> ListedLabel:
    heard = {name: row.pop(name) for name in ("is_heard", "is_other_heard")}
    detail = dict(row["detail"])
    if within is not None and "collections" in detail:
        detail["collections"] = [name for name in detail["collections"] if name in within]
    for field, whether in _NAMES.items():
        if field in detail and not heard[whether]:
            detail[field] = None
    return ListedLabel(**row | {"detail": detail, "speaker": row["speaker"] if heard["is_heard"] else None})


@dataclass(frozen=True, slots=True)
class NameThen:
    """Who a segment belonged to at some time."""

    segment_id: UUID
    speaker: str
    assigned_by: str
    confidence: float | None


_NAMES_AS_OF = sa.text("""
    SELECT last.segment_id, p.name AS speaker, last.assigned_by, last.confidence FROM (
        SELECT DISTINCT ON (e.segment_id) e.segment_id, e.speaker_id, e.assigned_by, e.confidence
        FROM label_effect e JOIN label l USING (label_id)
        WHERE l.collection = :collection AND e.at <= :at AND e.segment_id > :after
        ORDER BY e.segment_id, e.seq DESC
    ) AS last JOIN speaker p USING (speaker_id) ORDER BY last.segment_id LIMIT :most
""")


def names_as_of(
    tx: Transaction, collection: str, at: datetime, *, after: UUID | None = None, most: int
) -> list[NameThen]:
    """Who the segments of a collection belonged to at a time, by segment; under the names that speakers have today."""
    values = {"collection": collection, "at": at, "after": after or _FIRST_UUID, "most": most}
    return [NameThen(**row) for row in tx.execute(_NAMES_AS_OF, values).mappings()]


@dataclass(frozen=True, slots=True)
class SpeakerHeard:
    """A speaker and how many segments of the collection are theirs."""

    name: str
    segments: int


@dataclass(frozen=True, slots=True)
class Naming:
    """How far a collection is named; `suggested` are those of its unnamed segments that somebody is suggested for."""

    segments: int
    named: int
    by_hand: int
    suggested: int
    speakers: list[SpeakerHeard]  # who came first, first


# Of recordings that lie under a key, as they are listed.
_NAMING = sa.text("""
    SELECT count(*) AS segments, count(a.segment_id) AS named,
           count(*) FILTER (WHERE a.assigned_by = 'human') AS by_hand,
           count(g.segment_id) FILTER (WHERE a.segment_id IS NULL) AS suggested
    FROM segment s LEFT JOIN assignment a USING (segment_id) LEFT JOIN suggestion g USING (segment_id)
    WHERE s.collection = :collection AND s.modality = 'audio' AND EXISTS (
        SELECT FROM stored_object o WHERE o.recording_id = s.recording_id AND o.state = 'registered')
""")
_HEARD = sa.text("""
    SELECT p.name, count(*) AS segments FROM assignment a JOIN speaker p USING (speaker_id)
    WHERE a.collection = :collection GROUP BY p.speaker_id, p.name ORDER BY p.speaker_id
""")


def naming(tx: Transaction, collection: str) -> Naming:
    """Counted anew each time."""
    key = {"collection": collection}
    speakers = [SpeakerHeard(**row) for row in tx.execute(_HEARD, key).mappings()]
    return Naming(**tx.execute(_NAMING, key).mappings().one(), speakers=speakers)
