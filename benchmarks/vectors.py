"""Vector load: our idempotent upsert by binary COPY against psycopg's `executemany` of plain INSERTs."""

from collections.abc import Iterator
from time import perf_counter

import numpy as np
import psycopg
from pgvector import Vector

from benchmarks.report import Comparison
from benchmarks.servers import announced, clear, new_segments, running, unit_rows
from shared.storage import embeddings
from shared.storage.database import Database, driver

N_ROWS, ROUNDS = 10_000, 5


def run() -> Iterator[Comparison]:
    ours, theirs = [], []
    with running() as (_, settings):
        database = Database(settings.database)
        space = announced(database)
        rows = unit_rows(N_ROWS, space.dimension)
        for _ in range(ROUNDS):
            clear(database)
            with database.begin() as tx:
                segment_ids = new_segments(tx, N_ROWS)
            began = perf_counter()
            with database.begin() as tx:
                assert len(embeddings.write(tx, space, segment_ids, rows)) == N_ROWS
            ours.append(perf_counter() - began)
            clear(database)
            with database.begin() as tx:
                segment_ids = new_segments(tx, N_ROWS)
            began = perf_counter()
            with database.begin() as tx:
                _executemany(driver(tx), space.encoder_id, segment_ids, rows)
            theirs.append(perf_counter() - began)
        database.close()
    name = f"vector load of {N_ROWS} x {space.dimension} (upsert, checked against segments)"
    yield Comparison(name, "executemany of INSERT", "seconds", ours, theirs, 5)


def _executemany(connection: psycopg.Connection, encoder_id: int, segment_ids: list, rows: np.ndarray) -> None:
    statement = "INSERT INTO embedding VALUES (%s, %s, %s, 'bench', %s)"
    values = [(encoder_id, s, s, Vector(row).to_text()) for s, row in zip(segment_ids, rows, strict=True)]
    with connection.cursor() as cursor:
        cursor.executemany(statement, values)
