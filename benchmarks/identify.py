"""Who is it? The maintained (sum, count) of each speaker against AVG-by-speaker over every labelled row.

Both sides see scored rows, as the collection's back-end makes them; the peer has them in a table of their own. What
identification answers is checked against a full scan in memory, too: the same speaker, and the same score. Of each
side, the second of two runs counts: workers identify message after message. (Alternating, each side finds the
processor's caches full of the other's rows, which costs the shorter one more: 36x on our machines.)
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from time import perf_counter
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
import sqlalchemy as sa

from benchmarks.report import Comparison
from benchmarks.servers import COLLECTION, announced, new_segments, running, unit_rows
from services.clusterer.identification.answer import NOBODY, Identified
from services.clusterer.identification.calibration import Calibration, Enrolled
from services.clusterer.identification.fitting import before_labels
from services.clusterer.identification.identifying import identify
from shared.scoring.backend import Backend
from shared.scoring.learning import LARGEST_SAMPLE, learn
from shared.storage import calibrations, embeddings, labels, people, speakers
from shared.storage.database import Database, Transaction
from shared.storage.encoders import StoredEncoder
from shared.storage.labels import Named
from shared.storage.speakers import Centroids

N_ROWS, N_SPEAKERS, N_QUERIES = 50_000, 100, 25
SECONDS = 3.0

Result = TypeVar("Result")

_SCORED_TABLE = sa.text("CREATE TABLE bench_scored (segment_id uuid PRIMARY KEY, vector vector)")
_AVERAGE = sa.text("""
    SELECT a.speaker_id, AVG(-(e.vector <#> CAST(:query AS vector))) AS score
    FROM bench_scored e JOIN assignment a USING (segment_id)
    WHERE a.collection = :collection GROUP BY a.speaker_id ORDER BY score DESC
""")


def run() -> Iterator[Comparison]:
    """One comparison: milliseconds a query."""
    ours, theirs = [], []
    with running() as (_, settings):
        database = Database(settings.database)
        space = announced(database)
        with database.begin() as tx:
            backend, voices = _label(tx, space)
        with database.begin() as tx:
            tx.execute(sa.text("ANALYZE"))
            sample = calibrations.sample(tx, COLLECTION, space, LARGEST_SAMPLE)
        calibration = before_labels(backend.scored(sample.rows), backend.n_voices, space.spec["min_duration_s"])
        for query in _near_to(voices):
            with database.begin() as tx:
                (known, answer, ranking), ours_ms = _second(
                    partial(_identified, tx, space, backend, calibration, query)
                )
                truth, theirs_ms = _second(partial(_averaged, tx, backend, query))
                ours.append(ours_ms)
                theirs.append(theirs_ms)
            assert [known.speaker_ids[i] for i in ranking] == [row.speaker_id for row in truth], "rankings differ"
            assert answer.nearest[0] != NOBODY, "a query that is made of a voice is near to nobody"
            assert known.speaker_ids[answer.nearest[0]] == truth[0].speaker_id
            assert abs(answer.score[0] - truth[0].score) < 1e-5
        database.close()
    name = f"identification among {N_SPEAKERS} speakers with {N_ROWS} labelled rows, identical rankings"
    yield Comparison(name, "AVG-by-speaker SQL", "ms a query", ours, theirs, 50)


def _second(once: Callable[[], Result]) -> tuple[Result, float]:
    """A result, and the milliseconds of its second run."""
    once()
    began = perf_counter()
    result = once()
    return result, 1000 * (perf_counter() - began)


def _identified(
    tx: Transaction, space: StoredEncoder, backend: Backend, calibration: Calibration, query: np.ndarray
) -> tuple[Centroids, Identified, np.ndarray]:
    """The enrolled, what identification says, and how it ranks them."""
    known = speakers.centroids(tx, COLLECTION, space)
    scored = backend.scored(query[None])
    enrolled = Enrolled(known.sums, known.counts, SECONDS * known.counts)  # made-up rows are of no length
    answer = identify(scored, np.array([SECONDS]), enrolled, calibration)
    ranking: np.ndarray = np.argsort(-(scored[0] @ enrolled.means().T), kind="stable")
    return known, answer, ranking


def _averaged(tx: Transaction, backend: Backend, query: np.ndarray) -> Sequence[Any]:
    values = {"query": str(backend.scored(query[None])[0].astype(np.float32).tolist()), "collection": COLLECTION}
    return tx.execute(_AVERAGE, values).all()


def _label(tx: Transaction, space: StoredEncoder) -> tuple[Backend, np.ndarray]:
    """Rows around made-up voices, all labelled; the back-end that was learned from some, and the voices."""
    segment_ids = new_segments(tx, N_ROWS)
    rng = np.random.default_rng(0)
    voices = unit_rows(N_SPEAKERS, space.dimension)
    whose = rng.integers(0, N_SPEAKERS, N_ROWS)
    rows = _around(voices[whose], rng)
    embeddings.write(tx, space, segment_ids, rows)
    backend = learn(rows[:LARGEST_SAMPLE], space.spec["assign_threshold"])
    speaker_ids = [people.ensure_speaker(tx, f"voice {n}") for n in range(N_SPEAKERS)]
    entry = labels.append(tx, COLLECTION, "import", "bench")
    named = {s: Named(speaker_ids[w], "import") for s, w in zip(segment_ids, whose, strict=True)}
    labels.write(tx, entry, COLLECTION, named)
    speakers.refresh_centroids(tx, COLLECTION, space, speaker_ids, backend.scored)
    _write_scored(tx, segment_ids, backend.scored(rows).astype(np.float32))
    return backend, voices


def _write_scored(tx: Transaction, segment_ids: list[UUID], rows: np.ndarray) -> None:
    tx.execute(_SCORED_TABLE)
    statement = sa.text("INSERT INTO bench_scored VALUES (:segment_id, CAST(:vector AS vector))")
    values = [{"segment_id": s, "vector": str(row.tolist())} for s, row in zip(segment_ids, rows, strict=True)]
    tx.execute(statement, values)


def _near_to(voices: np.ndarray) -> np.ndarray:
    """Queries that nobody labelled, each of some voice."""
    rng = np.random.default_rng(1)
    return _around(voices[rng.integers(0, N_SPEAKERS, N_QUERIES)], rng)


def _around(voices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A segment of each voice: half of its variance is the voice."""
    rows = voices + unit_rows(len(voices), voices.shape[1], seed=int(rng.integers(1 << 31)))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
