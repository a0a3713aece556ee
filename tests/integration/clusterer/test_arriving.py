"""Arrivals and refits beside each other: who matches joins, who does not waits once, and nobody is thrown out."""

import threading
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa

from services.clusterer import arriving, generations, handlers
from services.clusterer.generations import SegmentsGone
from services.clusterer.spaces import Space, space_of
from shared.ids import new_id
from shared.settings import ClustererSettings
from shared.storage import clusters, embeddings, encoders, erasure, labels, segments
from shared.storage.database import Database
from tests.integration.clusterer.histories import ROWS, Name, NameCluster, Recluster, World

STRANGER = np.random.default_rng(9).normal(size=64).astype(np.float32)


def arrive(world: World, *rows: np.ndarray) -> list[UUID]:
    """New segments of the world's recording with these vectors."""
    unit = np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)
    with world.database.begin() as tx:
        recording_id = tx.execute(
            sa.text("SELECT recording_id FROM recording WHERE collection = :c"), {"c": world.collection}
        ).scalar_one()
        new = [segments.NewSegment(new_id(), 10**7 + n * 48_000, 10**7 + (n + 1) * 48_000) for n in range(len(rows))]
        for one in new:
            values = {"id": one.segment_id, "r": recording_id, "c": world.collection, "a": one.start_sample}
            tx.execute(
                sa.text("""
                    INSERT INTO segment (segment_id, recording_id, collection, start_sample, end_sample, source)
                    VALUES (:id, :r, :c, :a, :a + 48000, 'whole@1')
                """),
                values,
            )
        ids = [one.segment_id for one in new]
        embeddings.write(tx, encoders.by_name(tx, "spectral"), ids, unit)
        arriving.take_in(tx, own_space(world), ids, ClustererSettings())
        return ids


def own_space(world: World) -> Space:
    with world.database.begin() as tx:
        return space_of(tx, world.collection)


def cluster_of(world: World, segment_ids: list[UUID]) -> dict[UUID, UUID]:
    with world.database.begin() as tx:
        return clusters.clusters_of(tx, "spectral", segment_ids)


def waiting(world: World) -> set[UUID]:
    with world.database.begin() as tx:
        rows = tx.execute(sa.text("SELECT segment_id FROM deferred WHERE collection = :c"), {"c": world.collection})
        return set(rows.scalars())


def test_an_arrival_joins_the_cluster_that_it_matches_and_takes_its_name(database: Database) -> None:
    world = World(database).do([Recluster()])
    own = cluster_of(world, world.segment_ids[5:6])[world.segment_ids[5]]
    world.cluster_ids = [own]
    world.do([NameCluster(0, "Ada")])
    (new,) = arrive(world, ROWS[5] + 0.01 * ROWS[6])
    assert cluster_of(world, [new]) == {new: own}
    with database.begin() as tx:
        assert labels.names(tx, [new])[new].assigned_by == "cluster"


def test_an_arrival_that_matches_none_waits_once_and_then_stays_unassigned(database: Database) -> None:
    world = World(database).do([Recluster()])
    (first,) = arrive(world, STRANGER)
    assert waiting(world) == {first}
    (second,) = arrive(world, -STRANGER)
    assert waiting(world) == {second}
    assert cluster_of(world, [first, second]) == {}


def test_an_arrival_during_a_refit_is_in_its_cluster_afterwards(database: Database) -> None:
    world = World(database).do([Recluster()])
    found = generations.find(database, world.collection, "spectral")
    (new,) = arrive(world, ROWS[5] + 0.01 * ROWS[6])
    with database.begin() as tx:
        request = clusters.request(tx, world.collection, "spectral")
        generations.finish(tx, request.request_id, generations.write(tx, found), found)
        handlers.follow(tx, found, ClustererSettings())
    both = cluster_of(world, [new, world.segment_ids[5]])
    assert both[new] == both[world.segment_ids[5]]


def test_a_refit_that_still_holds_an_erased_voice_is_thought_out_again(database: Database) -> None:
    world = World(database).do([Name((5,), "Ada")])
    found = generations.find(database, world.collection, "spectral")
    with database.begin() as tx:
        erasure.erase_speaker(tx, world.called("Ada"), "test")
    with pytest.raises(SegmentsGone), database.begin() as tx:
        generations.write(tx, found)


def test_an_erasure_waits_for_an_embedder_that_is_writing_the_voice(database: Database) -> None:
    world = World(database).do([Name((5,), "Ada")])
    gone = world.segment_ids[5]
    erased = threading.Event()

    def erase() -> None:
        with database.begin() as tx:
            erasure.erase_speaker(tx, world.called("Ada"), "test")
        erased.set()

    with database.begin() as tx:
        segments.hold(tx, [gone])
        other = encoders.announce_encoder(tx, "second", "second_space", 64, {})
        embeddings.write(tx, other, [gone], ROWS[5:6])
        thread = threading.Thread(target=erase)
        thread.start()
        assert not erased.wait(0.5)
    thread.join(10)
    assert erased.is_set()
    with database.begin() as tx:
        left = tx.execute(sa.text("SELECT count(*) FROM embedding WHERE segment_id = :id"), {"id": gone}).scalar_one()
    assert left == 0
