"""Vectors in and out of pgvector by binary COPY, each under its encoder's partition; and why a segment has none."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from jaxtyping import Float32, Float64, UInt8
from psycopg import sql

from shared.encoders.clips import UNREADABLE
from shared.storage import rows
from shared.storage.database import Transaction, driver
from shared.storage.encoders import StoredEncoder

_STAGING = """
    CREATE TEMPORARY TABLE IF NOT EXISTS embedding_staging (segment_id uuid, vector vector) ON COMMIT DELETE ROWS
"""
_COPY_IN = "COPY embedding_staging (segment_id, vector) FROM STDIN (FORMAT BINARY)"
# Only segments that still stand receive a vector.
_WRITE = """
    INSERT INTO embedding (encoder_id, segment_id, recording_id, collection, vector)
    SELECT :encoder_id, s.segment_id, s.recording_id, s.collection, n.vector
    FROM embedding_staging n JOIN segment s USING (segment_id)
    ON CONFLICT (encoder_id, segment_id) DO {action}
    RETURNING segment_id
"""
_INSERT = sa.text(_WRITE.format(action="NOTHING"))
_REPLACE = sa.text(_WRITE.format(action="UPDATE SET vector = excluded.vector"))


def write(
    tx: Transaction,
    encoder: StoredEncoder,
    segment_ids: Sequence[UUID],
    vectors: Float32[np.ndarray, "segments dim"],
    *,
    overwrite: bool = False,
) -> set[UUID]:
    """Insert the vectors that are not there yet, or all in the place of those; returns the segments written.

    Call it after `segments.hold`: a segment that is removed meanwhile must not leave its vector behind.
    """
    if not len(segment_ids):
        return set()
    connection = driver(tx)
    connection.execute(_STAGING)
    with connection.cursor() as cursor, cursor.copy(_COPY_IN) as copy:
        copy.write(rows.pack(segment_ids, vectors))
    written = tx.execute(_REPLACE if overwrite else _INSERT, {"encoder_id": encoder.encoder_id})
    new = set(written.scalars())
    tx.execute(sa.text("DELETE FROM embedding_staging"))  # a second encoder may follow in the same transaction
    tx.execute(_FORGET_REASONS, {"encoder": encoder.name, "ids": list(segment_ids)})
    return new


_FORGET_REASONS = sa.text("DELETE FROM unembeddable WHERE encoder = :encoder AND segment_id = ANY(:ids)")
_FORGET_VECTORS = sa.text("DELETE FROM embedding WHERE encoder_id = :encoder_id AND segment_id = ANY(:ids)")
_UNEMBEDDABLE = sa.text("""
    INSERT INTO unembeddable (segment_id, encoder, code)
    SELECT n.segment_id, :encoder, n.code
    FROM unnest(CAST(:ids AS uuid[]), CAST(:codes AS text[])) AS n(segment_id, code) JOIN segment USING (segment_id)
    ON CONFLICT (segment_id, encoder) DO UPDATE SET code = excluded.code WHERE unembeddable.code <> excluded.code
""")


def write_unembeddable(
    tx: Transaction, encoder: StoredEncoder, reasons: dict[UUID, str], *, overwrite: bool = False
) -> None:
    """Write down segments that have no vector and why; with `overwrite` a vector that they had is taken away."""
    if not reasons:
        return
    tx.execute(_UNEMBEDDABLE, {"encoder": encoder.name, "ids": list(reasons), "codes": list(reasons.values())})
    if overwrite:
        tx.execute(_FORGET_VECTORS, {"encoder_id": encoder.encoder_id, "ids": list(reasons)})


_MISSING = sa.text("""
    SELECT segment_id FROM segment s
    WHERE segment_id = ANY(:ids)
      AND NOT EXISTS (SELECT FROM embedding e WHERE e.encoder_id = :encoder_id AND e.segment_id = s.segment_id)
      AND NOT EXISTS (SELECT FROM unembeddable u WHERE u.encoder = :encoder AND u.segment_id = s.segment_id
                      AND u.code <> ALL(:again))
""")


def missing(tx: Transaction, encoder: StoredEncoder, segment_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the standing segments that have neither a vector in the encoder's space nor a lasting reason why not."""
    values = {"ids": list(segment_ids), "encoder_id": encoder.encoder_id, "encoder": encoder.name}
    values["again"] = list(UNREADABLE)
    return set(tx.execute(_MISSING, values).scalars())


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors of one encoder: row i belongs to `ids[i]`, 16 bytes of a uuid."""

    ids: UInt8[np.ndarray, "segments 16"]
    rows: Float32[np.ndarray, "segments dim"]

    def segment_ids(self) -> list[UUID]:
        """The ids as objects."""
        return rows.uuids(self.ids)


@dataclass(frozen=True, slots=True)
class Near:
    """Vectors whose inner product with one of some directions is at least that direction's bound."""

    directions: Float32[np.ndarray, "directions dim"]
    bounds: Float64[np.ndarray, " directions"]

    def condition(self) -> sql.Composed:
        """What stands behind WHERE; pgvector's <#> is the negative inner product."""
        near = [
            sql.SQL("(e.vector <#> {}::vector) <= {}").format(
                sql.Literal("[" + ",".join(map(repr, direction)) + "]"), sql.Literal(-bound)
            )
            for direction, bound in zip(self.directions.tolist(), self.bounds.tolist(), strict=True)
        ]
        return sql.SQL("AND (") + sql.SQL(" OR ").join(near) + sql.SQL(")")


def of_segments(tx: Transaction, encoder: StoredEncoder, segment_ids: Sequence[UUID]) -> Vectors:
    """The vectors of those segments that have one, in no particular order."""
    return _copy_out(tx, encoder, sql.SQL("segment_id = ANY({})").format(sql.Literal(list(segment_ids))))


def of_collection(tx: Transaction, encoder: StoredEncoder, collection: str) -> Vectors:
    """Every vector of a collection, ordered by segment id."""
    return _copy_out(tx, encoder, sql.SQL("collection = {}").format(sql.Literal(collection)))


def of_subset(tx: Transaction, encoder: StoredEncoder, subset_id: UUID) -> Vectors:
    """Every vector of a subset's recordings, ordered by segment id."""
    theirs = "recording_id IN (SELECT recording_id FROM subset_member WHERE subset_id = {})"
    return _copy_out(tx, encoder, sql.SQL(theirs).format(sql.Literal(subset_id)))


_OPEN = """
    SELECT segment_id FROM {partition} e LEFT JOIN assignment a USING (segment_id)
    WHERE e.collection = {collection} AND coalesce(a.assigned_by, 'identification') = 'identification' {near}
    ORDER BY segment_id
"""


def open_to_rules(tx: Transaction, encoder: StoredEncoder, collection: str, near: Near | None = None) -> list[UUID]:
    """Segments with a vector that no person and no cluster named; those near to a direction only, if one is given."""
    condition = sql.SQL("") if near is None else near.condition()
    query = sql.SQL(_OPEN).format(partition=partition(encoder), collection=sql.Literal(collection), near=condition)
    return [row[0] for row in driver(tx).execute(query)]


def in_both(
    tx: Transaction, one: StoredEncoder, other: StoredEncoder, collection: str, most: int
) -> tuple[list[UUID], int]:
    """Segments of a collection that have vectors of both, those of the first ids, which are hashes; and how many do."""
    parts = {"one": partition(one), "other": partition(other), "collection": sql.Literal(collection)}
    both = sql.SQL("FROM {one} JOIN {other} o USING (segment_id) WHERE o.collection = {collection}").format(**parts)
    counted = driver(tx).execute(sql.SQL("SELECT count(*) {}").format(both)).fetchone()
    first = sql.SQL("SELECT segment_id {} ORDER BY segment_id LIMIT {}").format(both, sql.Literal(most))
    return [row[0] for row in driver(tx).execute(first)], counted[0] if counted else 0


_IN_SPACES = sa.text("""
    SELECT e.encoder_id, count(*) AS n FROM embedding e
    WHERE e.collection = :collection AND e.encoder_id = ANY(ARRAY(SELECT encoder_id FROM encoder WHERE name = :name))
    GROUP BY 1
""")


def outdated(tx: Transaction, encoder: StoredEncoder, collection: str) -> bool:
    """Whether an older space of the same encoder holds more than twice as many vectors of a collection."""
    counts = {r.encoder_id: r.n for r in tx.execute(_IN_SPACES, {"collection": collection, "name": encoder.name})}
    most: int = max(counts.values(), default=0)
    return most > 2 * int(counts.get(encoder.encoder_id, 0))


def ids_of_collection(tx: Transaction, encoder: StoredEncoder, collection: str) -> list[UUID]:
    """The segments of a collection that have a vector, in no particular order."""
    query = sql.SQL("SELECT segment_id FROM {} WHERE collection = {}").format(
        partition(encoder), sql.Literal(collection)
    )
    return [row[0] for row in driver(tx).execute(query)]


def _copy_out(tx: Transaction, encoder: StoredEncoder, condition: sql.Composed) -> Vectors:
    # The partition is named outright: COPY then needs no planning over all encoders.
    return copy_out(
        tx,
        encoder,
        sql.SQL("SELECT segment_id, vector FROM {} WHERE {} ORDER BY segment_id").format(partition(encoder), condition),
    )


def partition(encoder: StoredEncoder) -> sql.Identifier:
    """The table that holds an encoder's vectors and no others."""
    return sql.Identifier(f"embedding_{encoder.encoder_id}")


def copy_out(tx: Transaction, encoder: StoredEncoder, query: sql.Composed) -> Vectors:
    """The rows of a query that selects a uuid and a vector, by binary COPY."""
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT BINARY)").format(query)
    with driver(tx).cursor() as cursor, cursor.copy(statement) as copy:
        return Vectors(*rows.unpack(iter(copy), encoder.dimension))
