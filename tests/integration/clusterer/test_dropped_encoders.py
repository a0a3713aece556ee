"""An encoder that a collection does without keeps nobody waiting; what it has made stays, so that it can come back."""

import pytest
import sqlalchemy as sa

from shared.storage import backfills, collections, progress
from shared.storage.database import Database
from tests.integration.clusterer.histories import World
from tests.integration.clusterer.two_spaces import named, switch, two_spaces, undo

KEPT = ("embedding", "calibration", "centroid", "cluster", "clustering_state")


@pytest.fixture
def world(database: Database) -> World:
    return two_spaces(database)


def drop(world: World, encoder: str) -> None:
    with world.database.begin() as tx:
        assert collections.drop_encoder(tx, world.collection, encoder)
        progress.forget_encoder(tx, world.collection, encoder)


def kept(world: World) -> dict[str, int]:
    with world.database.begin() as tx:
        return {table: tx.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() for table in KEPT}


def test_nothing_waits_for_it_and_what_it_made_stays(world: World) -> None:
    switch(world, "ge2e")
    before = kept(world)
    drop(world, "spectral")
    assert kept(world) == before
    with world.database.begin() as tx:
        assert collections.get(tx, world.collection).encoders == ("ge2e",)
        assert tx.execute(sa.text("SELECT DISTINCT encoder FROM recording_progress")).scalars().all() == []
        added = backfills.request(tx, world.collection, "spectral", everything=False)
        page = backfills.enlist(tx, added.event)
    assert (added.added, page.n_segments) == (True, 0)  # nothing has to be embedded again


def test_a_switch_is_taken_back_although_the_encoder_before_it_was_dropped(world: World) -> None:
    names = named(world)
    done = switch(world, "ge2e")
    drop(world, "spectral")
    undo(world, done.label_id)
    assert named(world) == names
    with world.database.begin() as tx:
        assert collections.get(tx, world.collection).encoders == ("spectral", "ge2e")
