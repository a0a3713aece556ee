"""Vectors in and out of pgvector by binary COPY, each under its encoder's partition, and the count of what is done."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from jaxtyping import Float32, UInt8
from psycopg import sql

from shared.storage import rows
from shared.storage.database import Transaction, driver
from shared.storage.encoders import StoredEncoder

_STAGING = """
    CREATE TEMPORARY TABLE IF NOT EXISTS embedding_staging (segment_id uuid, vector vector) ON COMMIT DELETE ROWS
"""
_COPY_IN = "COPY embedding_staging (segment_id, vector) FROM STDIN (FORMAT BINARY)"
# Only segments that still stand receive a vector, and only rows that are new count.
_UPSERT = sa.text("""
    INSERT INTO embedding (encoder_id, segment_id, recording_id, collection, vector)
    SELECT :encoder_id, s.segment_id, s.recording_id, s.collection, n.vector
    FROM embedding_staging n JOIN segment s USING (segment_id)
    ON CONFLICT (encoder_id, segment_id) DO NOTHING
    RETURNING segment_id, recording_id
""")


def write(
    tx: Transaction, encoder: StoredEncoder, segment_ids: Sequence[UUID], vectors: Float32[np.ndarray, "segments dim"]
) -> dict[UUID, int]:
    """Insert the vectors that are not there yet; returns how many were new, by recording."""
    if not len(segment_ids):
        return {}
    connection = driver(tx)
    connection.execute(_STAGING)
    with connection.cursor() as cursor, cursor.copy(_COPY_IN) as copy:
        copy.write(rows.pack(segment_ids, vectors))
    new: dict[UUID, int] = {}
    for row in tx.execute(_UPSERT, {"encoder_id": encoder.encoder_id}):
        new[row.recording_id] = new.get(row.recording_id, 0) + 1
    tx.execute(sa.text("DELETE FROM embedding_staging"))  # a second encoder may follow in the same transaction
    return new


_UNEMBEDDABLE = sa.text("""
    INSERT INTO unembeddable (segment_id, encoder, code)
    SELECT n.segment_id, :encoder, n.code
    FROM unnest(CAST(:ids AS uuid[]), CAST(:codes AS text[])) AS n(segment_id, code) JOIN segment USING (segment_id)
    ON CONFLICT DO NOTHING
    RETURNING segment_id
""")


def write_unembeddable(tx: Transaction, encoder_name: str, reasons: dict[UUID, str]) -> dict[UUID, int]:
    """Write down segments that have no vector and why; returns how many were new, by recording."""
    if not reasons:
        return {}
    values = {"encoder": encoder_name, "ids": list(reasons), "codes": list(reasons.values())}
    written = list(tx.execute(_UNEMBEDDABLE, values).scalars())
    counts = tx.execute(
        sa.text("SELECT recording_id, count(*) AS n FROM segment WHERE segment_id = ANY(:ids) GROUP BY 1"),
        {"ids": written},
    )
    return {row.recording_id: row.n for row in counts}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one recording is with one encoder."""

    recording_id: UUID
    n_segments: int
    n_embedded: int
    n_without_voice: int

    @property
    def complete(self) -> bool:
        """Whether every segment has its vector or a reason why it has none."""
        return self.n_embedded + self.n_without_voice >= self.n_segments


_LOCK_PROGRESS = sa.text("""
    SELECT FROM recording_progress WHERE encoder = :encoder AND recording_id = ANY(:ids)
    ORDER BY recording_id FOR UPDATE
""")
_COUNT_PROGRESS = sa.text("""
    UPDATE recording_progress p SET n_embedded = p.n_embedded + n.embedded,
           n_without_voice = p.n_without_voice + n.without_voice
    FROM unnest(CAST(:ids AS uuid[]), CAST(:embedded AS int[]), CAST(:without_voice AS int[]))
         AS n(recording_id, embedded, without_voice)
    WHERE p.recording_id = n.recording_id AND p.encoder = :encoder
    RETURNING p.recording_id, p.n_segments, p.n_embedded, p.n_without_voice
""")


def count_progress(
    tx: Transaction, encoder_name: str, embedded: dict[UUID, int], without_voice: dict[UUID, int]
) -> list[Progress]:
    """Add what was new to each recording's count; returns where those recordings stand now.

    Locked in the order of their ids, so that two workers with parts of the same recordings never deadlock.
    """
    ids = sorted(embedded.keys() | without_voice.keys())
    if not ids:
        return []
    tx.execute(_LOCK_PROGRESS, {"encoder": encoder_name, "ids": ids})
    values = {
        "encoder": encoder_name,
        "ids": ids,
        "embedded": [embedded.get(i, 0) for i in ids],
        "without_voice": [without_voice.get(i, 0) for i in ids],
    }
    return [Progress(**row) for row in tx.execute(_COUNT_PROGRESS, values).mappings()]


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors of one encoder: row i belongs to `ids[i]`, 16 bytes of a uuid."""

    ids: UInt8[np.ndarray, "segments 16"]
    rows: Float32[np.ndarray, "segments dim"]

    def segment_ids(self) -> list[UUID]:
        """The ids as objects."""
        return rows.uuids(self.ids)


def of_segments(tx: Transaction, encoder: StoredEncoder, segment_ids: Sequence[UUID]) -> Vectors:
    """The vectors of those segments that have one, in no particular order."""
    return _copy_out(tx, encoder, sql.SQL("segment_id = ANY({})").format(sql.Literal(list(segment_ids))))


def of_collection(tx: Transaction, encoder: StoredEncoder, collection: str) -> Vectors:
    """Every vector of a collection, ordered by segment id."""
    return _copy_out(tx, encoder, sql.SQL("collection = {}").format(sql.Literal(collection)))


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
