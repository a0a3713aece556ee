"""The servers and rows that benchmarks work on."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import sqlalchemy as sa

from services.launcher import stack
from services.launcher.stack import StackState
from shared.encoders import registry
from shared.settings import DatabaseSettings, IngestSettings, RedisSettings, S3Settings, Settings
from shared.storage import collections, encoders, migrate, recordings, segments
from shared.storage.database import Database, Transaction
from shared.storage.encoders import StoredEncoder

COLLECTION = "bench"


@contextmanager
def running(services: tuple[str, ...] | None = ()) -> Iterator[tuple[StackState, Settings]]:
    """A stack in a folder of its own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="earmark-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        data_dir = Path(folder) / "data"
        state = stack.up(data_dir, services=services)
        try:
            migrate.upgrade(state.database_url)
            yield state, settings_of(state)
        finally:
            stack.down(data_dir)


@contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    """Set a variable for a while: the next benchmark's stack would take a given broker for its own."""
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def settings_of(state: StackState) -> Settings:
    """How to reach the servers of a stack."""
    return Settings(
        database=DatabaseSettings(url=state.database_url),
        redis=RedisSettings(url=state.redis_url),
        ingest=IngestSettings(watch_port=state.ports["watch"], hint_token=state.hint_token),
        s3=S3Settings(endpoint=state.s3_endpoint, access_key=state.s3_access_key, secret_key=state.s3_secret_key),
    )


def announced(database: Database, name: str = "ge2e") -> StoredEncoder:
    """An encoder with its partition."""
    spec = registry.spec(name)
    with database.begin() as tx:
        collections.ensure(tx, COLLECTION, "whole", (name,))
        return encoders.announce_encoder(tx, spec.name, spec.space, spec.dimension, asdict(spec))


def new_segments(tx: Transaction, n_segments: int, n_samples: int = 100) -> list[UUID]:
    """One recording with that many segments of that length."""
    recording_id = uuid4()
    recordings.register(tx, [recordings.NewRecording(recording_id, COLLECTION, str(recording_id), 1 << 40, "k", {})])
    new = tuple(segments.NewSegment(uuid4(), n * n_samples, (n + 1) * n_samples) for n in range(n_segments))
    segments.write_cuts(tx, [segments.Cut(recording_id, COLLECTION, "whole@1", new, ("ge2e",))])
    return [s.segment_id for s in new]


def unit_rows(n_rows: int, dimension: int, seed: int = 0) -> np.ndarray:
    """Random unit vectors."""
    rows = np.random.default_rng(seed).normal(size=(n_rows, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def clear(database: Database) -> None:
    """Remove vectors and segments between rounds."""
    with database.begin() as tx:
        tx.execute(sa.text("TRUNCATE embedding, segment CASCADE"))
