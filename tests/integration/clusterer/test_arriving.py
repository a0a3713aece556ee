"""Arrivals and refits beside each other: who matches joins, who does not waits once, and nobody is thrown out."""

import threading

import numpy as np
import pytest
import sqlalchemy as sa

from services.clusterer import generations, handlers
from services.clusterer.generations import SegmentsGone
from shared.settings import ClustererSettings
from shared.storage import clusters, embeddings, encoders, erasure, labels, segments
from shared.storage.database import Database
from tests.integration.clusterer.arrivals import arrive, cluster_of, waiting
from tests.integration.clusterer.histories import ROWS, Name, NameCluster, Recluster, World

STRANGER = np.random.default_rng(9).normal(size=64).astype(np.float32)


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
