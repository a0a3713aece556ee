"""How a collection's scores are made and read: its back-end and its calibration, as they were last fitted."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from psycopg import sql
from psycopg.types.json import Jsonb

from shared.storage.database import Transaction
from shared.storage.embeddings import Vectors, copy_out, partition
from shared.storage.encoders import StoredEncoder
from shared.storage.tables import calibration


@dataclass(frozen=True, slots=True)
class StoredCalibration:
    """A back-end as bytes and a calibration's parameters, fitted to `n_vectors`; `n_arrived` have come since."""

    n_vectors: int
    n_arrived: int
    backend: bytes
    parameters: dict[str, Any]


def get(tx: Transaction, collection: str, encoder: StoredEncoder) -> StoredCalibration | None:
    """None before the first vectors have arrived."""
    row = tx.execute(
        sa.select(
            calibration.c.n_vectors, calibration.c.n_arrived, calibration.c.backend, calibration.c.parameters
        ).where(calibration.c.collection == collection, calibration.c.encoder_id == encoder.encoder_id)
    ).one_or_none()
    return StoredCalibration(*row) if row else None


_PUT = sa.text("""
    INSERT INTO calibration (collection, encoder_id, n_vectors, backend, parameters, label_id)
    VALUES (:collection, :encoder_id, :n_vectors, :backend, :parameters, :label_id)
    ON CONFLICT (collection, encoder_id) DO UPDATE SET
        n_vectors = excluded.n_vectors, n_arrived = 0, backend = excluded.backend, parameters = excluded.parameters,
        label_id = excluded.label_id, fitted_at = clock_timestamp()
""")


def put(
    tx: Transaction,
    collection: str,
    encoder: StoredEncoder,
    *,
    n_vectors: int,
    backend: bytes,
    parameters: dict[str, Any],
    label_id: UUID,
) -> None:
    """Make this the calibration of a collection; call it under `labels.lock_names`, and name everybody anew."""
    values = {
        "collection": collection,
        "encoder_id": encoder.encoder_id,
        "n_vectors": n_vectors,
        "backend": backend,
        "parameters": Jsonb(parameters),
        "label_id": label_id,
    }
    tx.execute(_PUT, values)


_ARRIVED = sa.text("""
    UPDATE calibration SET n_arrived = n_arrived + :n
    WHERE collection = :collection AND encoder_id = :encoder_id RETURNING n_vectors, n_arrived
""")


def outgrown(tx: Transaction, collection: str, encoder: StoredEncoder, n_new: int) -> bool:
    """Count arrivals; whether the collection has doubled since its calibration was fitted, or has none."""
    key = {"collection": collection, "encoder_id": encoder.encoder_id}
    row = tx.execute(_ARRIVED, {**key, "n": n_new}).one_or_none()
    return row is None or row.n_arrived >= row.n_vectors


def sample(tx: Transaction, collection: str, encoder: StoredEncoder, most: int) -> Vectors:
    """So many vectors of a collection: those of the first segment ids, which are hashes and so a fair draw."""
    query = sql.SQL("SELECT segment_id, vector FROM {} WHERE collection = {} ORDER BY segment_id LIMIT {}").format(
        partition(encoder), sql.Literal(collection), sql.Literal(most)
    )
    return copy_out(tx, encoder, query)


def count(tx: Transaction, collection: str, encoder: StoredEncoder) -> int:
    """How many vectors a collection has in one space."""
    statement = sa.text("SELECT count(*) FROM embedding WHERE encoder_id = :id AND collection = :collection")
    return int(tx.execute(statement, {"id": encoder.encoder_id, "collection": collection}).scalar_one())
