"""How many segments naming one new speaker among many touches, and what it costs, against looking at all of them."""

from collections.abc import Iterator
from time import perf_counter

import numpy as np
import sqlalchemy as sa

from benchmarks.report import Comparison
from benchmarks.servers import COLLECTION, announced, new_segments, running
from services.clusterer import arriving, handlers, naming
from services.clusterer.spaces import space_of
from shared.settings import ClustererSettings
from shared.storage import embeddings, labels, statements
from shared.storage.database import Database
from shared.units import SAMPLE_RATE_HZ

N_SEGMENTS, N_VOICES, N_NAMED = 50_000, 500, 300
DIMENSION = 256


def run() -> Iterator[Comparison]:
    """Voices as far apart as GE2E's are after centring; 300 of 500 are named by five segments each."""
    with running() as (_, settings):
        database = Database(settings.database)
        segment_ids, voices = _collection(database)
        for voice in range(N_NAMED):
            _name(database, [segment_ids[i] for i in np.flatnonzero(voices == voice)[:5]], f"voice {voice}")
        mine = []
        for voice in range(N_NAMED, N_NAMED + 5):
            began_s = perf_counter()
            n_looked_at, n_identified = _name(
                database, [segment_ids[int(np.argmax(voices == voice))]], f"voice {voice}"
            )
            mine.append(perf_counter() - began_s)
            n_own = int((voices == voice).sum())
            print(f"one new name: looked at {n_looked_at} of {N_SEGMENTS}, named {n_identified} of {n_own}", flush=True)
        theirs = [_everybody(database) for _ in range(3)]
        yield Comparison("naming one among 50k", "thinking out everybody's name", "s", mine, theirs, 10)
        database.close()


def _collection(database: Database) -> tuple[list, np.ndarray]:
    encoder = announced(database)
    rng = np.random.default_rng(0)
    voices = rng.integers(0, N_VOICES, N_SEGMENTS)
    shared = rng.normal(size=DIMENSION)
    centres = rng.normal(size=(N_VOICES, DIMENSION)) + 1.2 * shared
    rows = centres[voices] + 0.6 * rng.normal(size=(N_SEGMENTS, DIMENSION))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    with database.begin() as tx:
        segment_ids = new_segments(tx, N_SEGMENTS, 3 * SAMPLE_RATE_HZ)
        embeddings.write(tx, encoder, segment_ids, rows)
        arriving.take_in(tx, space_of(tx, COLLECTION), segment_ids, ClustererSettings())
    return segment_ids, voices


def _name(database: Database, segment_ids: list, speaker: str) -> tuple[int, int]:
    """How many segments were looked at, and how many identified."""
    with database.begin() as tx:
        recorded = statements.name_segments(tx, segment_ids, speaker, "bench")
        labels.lock_names(tx, COLLECTION)
        handlers.spread(tx, recorded.events[0], ClustererSettings())
        found = tx.execute(
            sa.text("SELECT detail FROM label WHERE cause_id = :id AND operation = 'spread'"), {"id": recorded.label_id}
        ).scalar_one()
    return found["n_looked_at"], found["n_identified"]


def _everybody(database: Database) -> float:
    began_s = perf_counter()
    with database.begin() as tx:
        entry = labels.append(tx, COLLECTION, "cluster", naming.ACTOR)
        naming.settle_all(tx, space_of(tx, COLLECTION), entry)
    return perf_counter() - began_s
