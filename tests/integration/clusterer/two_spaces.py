"""Worlds that two encoders have heard, and switches between them."""

from dataclasses import asdict
from functools import partial
from uuid import UUID, uuid4

import numpy as np
import sqlalchemy as sa

from services.clusterer import handlers
from shared.encoders import registry
from shared.events import SegmentsEmbedded
from shared.ids import new_id
from shared.ledger import consumer
from shared.ledger.outbox import announce, publish
from shared.settings import ClustererSettings, LedgerSettings
from shared.storage import backfills, embeddings, encoder_comparisons, encoders, labels, reversals, switches
from shared.storage.backfills import Count
from shared.storage.database import Database
from shared.storage.switches import Switch
from tests.integration.clusterer.arrivals import arrive
from tests.integration.clusterer.histories import ROWS, Import, Name, Recluster, World

SETTINGS = ClustererSettings()
TURN = np.linalg.qr(np.random.default_rng(7).normal(size=(256, 64)))[0]
TASKS = {"clusterer.assign": handlers.assign, "clusterer.switch": handlers.switch}


def heard(of: np.ndarray, seed: int = 1) -> np.ndarray:
    """The same voices in the other space: turned, and with other chance."""
    turned = of @ TURN.T + 0.02 * np.random.default_rng(seed).normal(size=(len(of), 256))
    unit: np.ndarray = (turned / np.linalg.norm(turned, axis=1, keepdims=True)).astype(np.float32)
    return unit


def write(world: World, encoder: str, ids: list[UUID], vectors: np.ndarray) -> None:
    with world.database.begin() as tx:
        embeddings.write(tx, encoders.by_name(tx, encoder), ids, vectors)


def announce_vectors(world: World, encoder: str, ids: list[UUID]) -> None:
    with world.database.begin() as tx:
        event = SegmentsEmbedded(
            recording_id=uuid4(), collection=world.collection, encoder=encoder, segment_ids=tuple(ids)
        )
        publish(tx, [announce(event)])


def work_off(database: Database) -> None:
    for name, handler in TASKS.items():
        with database.begin() as tx:
            query = "UPDATE delivery SET state = 'queued' WHERE subscription = :name RETURNING event_id"
            event_ids = list(tx.execute(sa.text(query), {"name": name}).scalars())
        consumer.run(partial(handler, settings=SETTINGS), name, str(new_id()), event_ids, database, LedgerSettings())
    with database.begin() as tx:
        assert tx.execute(sa.text("SELECT coalesce(max(last_error), '') FROM delivery")).scalar_one() == ""


def new_segments(world: World, of: np.ndarray) -> list[UUID]:
    """Segments that both encoders have embedded and nobody has heard of."""
    ids = [new_id() for _ in of]
    with world.database.begin() as tx:
        recording_id = tx.execute(
            sa.text("SELECT recording_id FROM recording WHERE collection = :c"), {"c": world.collection}
        ).scalar_one()
        tx.execute(
            sa.text("""
                INSERT INTO segment (segment_id, recording_id, collection, start_sample, end_sample, source)
                SELECT id, :r, :c, 20000000 + n * 48000, 20000000 + (n + 1) * 48000, 'whole@1'
                FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS i(id, n)
            """),
            {"r": recording_id, "c": world.collection, "ids": ids},
        )
    write(world, "spectral", ids, (of / np.linalg.norm(of, axis=1, keepdims=True)).astype(np.float32))
    write(world, "ge2e", ids, heard(of, seed=2))
    return ids


def ask(world: World, encoder: str) -> Switch:
    with world.database.begin() as tx:
        return switches.request(tx, world.collection, encoder, "test")[0]


def embedded(world: World, asked: Switch) -> None:
    """The backfill that it waits for is done, and the clusterer has heard of it."""
    with world.database.begin() as tx:
        finished = backfills.count(tx, asked.backfill_id, Count(all_enlisted=True))
        assert finished
        publish(tx, [announce(finished)])
    work_off(world.database)


def switch(world: World, encoder: str) -> Switch:
    asked = ask(world, encoder)
    embedded(world, asked)
    with world.database.begin() as tx:
        return switches.get(tx, asked.switch_id)


def undo(world: World, label_id: UUID | None) -> UUID:
    assert label_id is not None
    with world.database.begin() as tx:
        recorded = reversals.undo(tx, label_id, "test")
        for event in recorded.events:
            labels.lock_names(tx, event.collection)
            handlers.spread(tx, event, SETTINGS)
    return recorded.label_id


def named(world: World) -> dict[UUID, str]:
    with world.database.begin() as tx:
        return {s: name for s, (name, _) in encoder_comparisons.names(tx, world.collection).items()}


def two_spaces(database: Database) -> World:
    """Named and clustered in one space, with vectors in another."""
    spec = registry.spec("ge2e")
    with database.begin() as tx:
        encoders.announce_encoder(tx, spec.name, spec.space, spec.dimension, asdict(spec))
    world = World(database).do([Recluster(), Name((5,), "Cem"), Import(((0, "Ada"), (1, "Ada"), (10, "Bea")))])
    write(world, "ge2e", world.segment_ids, heard(ROWS))
    follows = 0.8 * ROWS[5] + 0.2 * ROWS[7]  # its cluster, and has its name; but the voice does not count it yet
    write(world, "ge2e", arrive(world, follows), heard(follows[None] / np.linalg.norm(follows), seed=3))
    return world
