"""An encoder that a collection does without keeps nobody waiting; what it has made stays, so that it can come back."""

import pytest
import sqlalchemy as sa

from shared.storage import (
    backfills,
    collections,
    embeddings,
    encoder_purge,
    encoders,
    labels,
    progress,
    reversals,
)
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


def purge(world: World, encoder: str) -> int:
    with world.database.begin() as tx:
        labels.lock_names(tx, world.collection)
        return encoder_purge.purge(tx, world.collection, encoder)


def test_a_purge_leaves_nothing_but_the_names_and_a_switch_is_not_taken_back_to_it(world: World) -> None:
    done = switch(world, "ge2e")
    names = named(world)
    drop(world, "spectral")
    assert purge(world, "spectral") > 0
    with world.database.begin() as tx:
        known = encoders.by_name(tx, "spectral")
        for table, column, value in (
            ("embedding", "encoder_id", known.encoder_id),
            ("calibration", "encoder_id", known.encoder_id),
            ("centroid", "encoder_id", known.encoder_id),
            ("cluster", "encoder", known.name),
            ("cluster_member", "encoder", known.name),
            ("clustering", "encoder", known.name),
            ("clustering_state", "space", known.space),
        ):
            left = sa.text(f"SELECT count(*) FROM {table} WHERE {column} = :value")
            assert tx.execute(left, {"value": value}).scalar_one() == 0, table
    assert named(world) == names
    with pytest.raises(reversals.NotKept), world.database.begin() as tx:
        reversals.undo(tx, done.label_id, "tester")


def test_an_encoder_that_was_purged_can_name_again_once_it_has_embedded(world: World) -> None:
    with world.database.begin() as tx:
        space = encoders.by_name(tx, "spectral")
        vectors = embeddings.of_collection(tx, space, world.collection)
    switch(world, "ge2e")
    drop(world, "spectral")
    purge(world, "spectral")
    with world.database.begin() as tx:
        embeddings.write(tx, space, vectors.segment_ids(), vectors.rows)
    assert switch(world, "spectral").state == "done"
    assert named(world)
