"""A collection in which four voices speak, and a clusterer that works at once."""

from uuid import UUID, uuid4

import numpy as np
import sqlalchemy as sa

from services.clusterer import handlers
from shared.events import SegmentsEmbedded
from shared.ids import new_id
from shared.ledger import consumer
from shared.ledger.outbox import announce, publish
from shared.settings import ClustererSettings, LedgerSettings
from shared.storage import clusters, embeddings, recordings, segments, statements
from shared.storage.database import Database, Transaction
from shared.storage.encoders import StoredEncoder

COLLECTION = "c"
VOICES = np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32)


def spoken(
    database: Database, space: StoredEncoder, voice: int, n_segments: int, seed: int = 0, *, embedded: bool = True
) -> list[UUID]:
    """Segments of one recording in which one voice speaks."""
    recording_id = uuid4()
    new = tuple(segments.NewSegment(uuid4(), n * 48_000, n * 48_000 + 48_000) for n in range(n_segments))
    with database.begin() as tx:
        recording = recordings.NewRecording(recording_id, COLLECTION, str(recording_id), 1_000_000, "k", {})
        recordings.register(tx, [recording])
        segments.write_cuts(tx, [segments.Cut(recording_id, COLLECTION, "whole@1", new, ("spectral",))])
    segment_ids = [s.segment_id for s in new]
    if embedded:
        embed(database, space, segment_ids, voice, seed)
    return segment_ids


def embed(database: Database, space: StoredEncoder, segment_ids: list[UUID], voice: int, seed: int = 0) -> None:
    """Give segments vectors of a voice, announce it, and let the clusterer work."""
    rng = np.random.default_rng([seed, voice])
    rows = VOICES[voice] + 0.08 * rng.normal(size=(len(segment_ids), 64))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    with database.begin() as tx:
        embeddings.write(tx, space, segment_ids, rows)
        ids = tuple(segment_ids)
        event = SegmentsEmbedded(recording_id=uuid4(), collection=COLLECTION, encoder="spectral", segment_ids=ids)
        publish(tx, [announce(event)])
    work_off(database)


def work_off(database: Database) -> None:
    """Do every pending delivery of the clusterer, as its worker would."""
    tasks = {
        "clusterer.assign": lambda work: handlers.assign(work, ClustererSettings()),
        "clusterer.recluster": lambda work: handlers.recluster(work, ClustererSettings()),
        "clusterer.propagate": lambda work: handlers.propagate(work, ClustererSettings()),
    }
    for name, handler in tasks.items():
        with database.begin() as tx:
            query = "UPDATE delivery SET state = 'queued' WHERE subscription = :name RETURNING event_id"
            event_ids = list(tx.execute(sa.text(query), {"name": name}).scalars())
        settings = LedgerSettings()
        consumer.run(handler, name, str(new_id()), event_ids, database, settings)
    with database.begin() as tx:
        assert tx.execute(sa.text("SELECT coalesce(max(last_error), '') FROM delivery")).scalar_one() == ""


def cluster(database: Database) -> None:
    with database.begin() as tx:
        publish(tx, [announce(clusters.request(tx, COLLECTION, "spectral"))])
    work_off(database)


def label(database: Database, speaker: str, **target: UUID) -> None:
    with database.begin() as tx:
        publish(tx, [announce(event) for event in said(tx, speaker, **target).events])
    work_off(database)


def said(
    tx: Transaction, speaker: str, segment_id: UUID | None = None, cluster_id: UUID | None = None
) -> statements.Recorded:
    if cluster_id:
        return statements.name_cluster(tx, cluster_id, speaker, "test")
    assert segment_id
    return statements.name_segment(tx, segment_id, speaker, "test")


def names(database: Database) -> dict[UUID, tuple[str, str]]:
    query = "SELECT a.segment_id, s.name, a.assigned_by FROM assignment a JOIN speaker s USING (speaker_id)"
    with database.begin() as tx:
        return {row.segment_id: (row.name, row.assigned_by) for row in tx.execute(sa.text(query))}
