"""Who is it? The maintained (sum, count) of each speaker against AVG-by-speaker over every labelled row."""

from collections.abc import Iterator
from time import perf_counter

import numpy as np
import sqlalchemy as sa

from benchmarks.report import Comparison
from benchmarks.servers import COLLECTION, announced, new_segments, running, unit_rows
from services.clusterer.identify import nearest
from shared.storage import embeddings, labels, speakers
from shared.storage.database import Database, Transaction
from shared.storage.encoders import StoredEncoder
from shared.storage.labels import Effect

N_ROWS, N_SPEAKERS, N_QUERIES = 50_000, 100, 25

_AVERAGE = sa.text("""
    SELECT a.speaker_id, AVG(e.vector <=> CAST(:query AS vector)) AS distance
    FROM embedding e JOIN assignment a USING (segment_id)
    WHERE e.encoder_id = :encoder_id AND a.collection = :collection
    GROUP BY a.speaker_id ORDER BY distance
""")


def run() -> Iterator[Comparison]:
    ours, theirs = [], []
    with running() as (_, settings):
        database = Database(settings.database)
        space = announced(database)
        with database.begin() as tx:
            _label(tx, space)
        with database.begin() as tx:
            tx.execute(sa.text("ANALYZE"))
        for query in unit_rows(N_QUERIES, space.dimension, seed=1):
            with database.begin() as tx:
                began = perf_counter()
                known = speakers.centroids(tx, COLLECTION, space)
                best = nearest(query[None], known.sums, known.counts)
                ours.append(1000 * (perf_counter() - began))
                ranking = np.argsort(-(query @ (known.sums / known.counts[:, None]).T), kind="stable")
                began = perf_counter()
                values = {"query": str(query.tolist()), "encoder_id": space.encoder_id, "collection": COLLECTION}
                truth = [row.speaker_id for row in tx.execute(_AVERAGE, values)]
                theirs.append(1000 * (perf_counter() - began))
            assert [known.speaker_ids[i] for i in ranking] == truth, "the rankings differ"
            assert known.speaker_ids[best.speaker[0]] == truth[0]
        database.close()
    name = f"identification among {N_SPEAKERS} speakers with {N_ROWS} labelled rows, identical rankings"
    yield Comparison(name, "AVG-by-speaker SQL", "ms a query", ours, theirs, 50)


def _label(tx: Transaction, space: StoredEncoder) -> None:
    segment_ids = new_segments(tx, N_ROWS)
    rng = np.random.default_rng(0)
    voices = rng.normal(size=(N_SPEAKERS, space.dimension))
    whose = rng.integers(0, N_SPEAKERS, N_ROWS)
    rows = voices[whose] + rng.normal(size=(N_ROWS, space.dimension))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    embeddings.write(tx, space, segment_ids, rows.astype(np.float32))
    speaker_ids = [labels.ensure_speaker(tx, f"voice {n}") for n in range(N_SPEAKERS)]
    label_id = labels.append(tx, COLLECTION, "import", "bench")
    effects = [Effect(s, speaker_ids[w], "import") for s, w in zip(segment_ids, whose, strict=True)]
    labels.apply(tx, label_id, COLLECTION, effects)
    speakers.refresh_centroids(tx, COLLECTION, space, speaker_ids)
