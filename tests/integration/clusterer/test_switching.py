"""Another encoder names a collection: at once, with whatever arrives meanwhile; and back, as if it had not."""

import threading
from contextlib import suppress
from dataclasses import asdict
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa

from services.clusterer import switching
from shared.encoders import registry
from shared.errors import Conflict
from shared.storage import clusters, collections, encoders, erasure, labels, reversals, switches
from shared.storage.database import Database
from shared.storage.labels import Named
from tests.integration.clusterer.histories import ROWS, Import, Merge, Name, NameCluster, Reject, Undo, World
from tests.integration.clusterer.standing import everything, rows
from tests.integration.clusterer.two_spaces import (
    SETTINGS,
    announce_vectors,
    ask,
    embedded,
    new_segments,
    switch,
    two_spaces,
    undo,
    work_off,
)


def naming(world: World) -> tuple[str, ...]:
    with world.database.begin() as tx:
        return collections.get(tx, world.collection).encoders


def cluster_of(world: World, encoder: str, ids: list[UUID]) -> dict[UUID, UUID]:
    with world.database.begin() as tx:
        return clusters.clusters_of(tx, encoder, ids)


def of_spectral(world: World) -> dict[str, Any]:
    """Everything that names by `spectral` rest on, and the names."""
    found = everything(world)
    with world.database.begin() as tx:
        known = encoders.by_name(tx, "spectral")
    found["clusters"] = [row for row in found["clusters"] if row[1] == "spectral"]
    own = {row[0] for row in found["clusters"]}
    found["members"] = [row for row in found["members"] if row[1] in own]
    found["left"] = rows(
        world,
        "SELECT state, standing FROM clustering_state WHERE collection = :collection AND space = "
        f"'{known.space}' ORDER BY generation",
    )
    for part in ("calibration", "voices"):
        found[part] = [row for row in found[part] if row[1] == known.encoder_id]
    return found


@pytest.fixture
def world(database: Database) -> World:
    return two_spaces(database)


def test_names_clusters_and_scores_are_the_other_encoders(world: World) -> None:
    done = switch(world, "ge2e")
    assert (done.state, done.before, done.taken_back) == ("done", "spectral", False)
    assert naming(world) == ("ge2e", "spectral")
    with world.database.begin() as tx:
        names, inside = labels.names(tx, world.segment_ids), clusters.clusters_of(tx, "ge2e", world.segment_ids)
        encoder_id = encoders.by_name(tx, "ge2e").encoder_id
    cems = [world.segment_ids[n] for n in range(5, 10)]
    assert len({inside[s] for s in cems}) == 1
    assert len({names[s].speaker_id for s in cems}) == 1
    assert rows(world, f"SELECT 1 FROM calibration WHERE collection = :collection AND encoder_id = {encoder_id}")
    assert rows(world, "SELECT detail->>'from', detail->>'to' FROM label WHERE operation = 'switch'") == [
        ("spectral", "ge2e")
    ]
    settled = world.state()
    assert world.thought_out_anew().state() == settled


def test_everything_is_as_before_when_it_is_taken_back_and_as_after_when_that_is(world: World) -> None:
    before = of_spectral(world)
    done = switch(world, "ge2e")
    after = everything(world)
    back = undo(world, done.label_id)
    assert of_spectral(world) == before
    assert naming(world) == ("spectral", "ge2e")
    undo(world, back)
    assert everything(world) == after
    undo(world, done.label_id)
    assert of_spectral(world) == before


def test_to_switch_back_is_to_take_it_back(world: World) -> None:
    before = of_spectral(world)
    switch(world, "ge2e")
    back = switch(world, "spectral")
    assert (back.before, back.encoder) == ("ge2e", "spectral")
    assert of_spectral(world) == before


def test_what_people_said_since_stands(world: World) -> None:
    done = switch(world, "ge2e")
    world.do([Name((20,), "Ada"), Reject(5, "Cem")])
    undo(world, done.label_id)
    assert world.state()[20] == ("Ada", "human", 1.0)
    assert 5 not in world.state()
    stands = everything(world)
    assert everything(world.thought_out_anew()) == stands


STEPS = (
    *(Name((12,), "Ada"), Reject(6, "Cem"), Name((20, 21), "Bea"), Merge("Ada", "Bea"), Undo(1), Undo(2)),
    *(NameCluster(1, "Bea"), Import(((15, "Cem"), (22, "Ada")))),
)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_said_before_and_since_names_follow_from_all_of_it(world: World, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(STEPS))
    world.do([STEPS[n] for n in order[:4]])
    done = switch(world, "ge2e")
    settled = world.state()
    assert world.thought_out_anew().state() == settled
    world.do([STEPS[n] for n in order[4:]])
    undo(world, done.label_id)
    stands = everything(world)
    assert everything(world.thought_out_anew()) == stands


def test_what_arrives_before_the_cut_over_is_named_and_what_arrives_after_it_too(world: World) -> None:
    asked = ask(world, "ge2e")
    assert naming(world) == ("spectral", "ge2e")
    (early,) = new_segments(world, ROWS[6:7] + 0.01 * ROWS[7:8])
    for encoder in ("ge2e", "spectral"):
        announce_vectors(world, encoder, [early])
    work_off(world.database)
    assert early in cluster_of(world, "spectral", [early])
    embedded(world, asked)
    (late,) = new_segments(world, ROWS[8:9] + 0.01 * ROWS[7:8])
    for encoder in ("spectral", "ge2e"):
        announce_vectors(world, encoder, [late])
    work_off(world.database)
    with world.database.begin() as tx:
        names = labels.names(tx, [early, late, world.segment_ids[5]])
    assert len({name.speaker_id for name in names.values()}) == 1
    assert len(names) == 3
    assert len(set(cluster_of(world, "ge2e", [early, late]).values())) == 1


def test_who_arrives_while_clusters_are_found_joins_them(world: World) -> None:
    asked = ask(world, "ge2e")
    found = switching.prepare(world.database, world.collection, "ge2e")
    (new,) = new_segments(world, ROWS[6:7] + 0.01 * ROWS[7:8])
    announce_vectors(world, "ge2e", [new])
    work_off(world.database)
    with world.database.begin() as tx:
        labels.lock_names(tx, world.collection)
        switching.carry_out(tx, asked, found, SETTINGS)
        names = labels.names(tx, [new, world.segment_ids[5]])
    assert len({name.speaker_id for name in names.values()}) == 1
    assert len(names) == 2


def test_who_arrives_during_the_cut_over_waits_for_it(world: World) -> None:
    """Else an arrival would be named by an encoder that names no more, and missed by the one that does."""
    asked = ask(world, "ge2e")
    found = switching.prepare(world.database, world.collection, "ge2e")
    arrival = threading.Thread(target=work_off, args=(world.database,))
    with world.database.begin() as tx:
        labels.lock_names(tx, world.collection)
        switching.carry_out(tx, asked, found, SETTINGS)
        (new,) = new_segments(world, ROWS[6:7] + 0.01 * ROWS[7:8])
        announce_vectors(world, "ge2e", [new])
        arrival.start()
        arrival.join(1.0)
        assert arrival.is_alive()
    arrival.join()
    with world.database.begin() as tx:
        names = labels.names(tx, [new, world.segment_ids[5]])
    assert len(names) == 2
    assert len({name.speaker_id for name in names.values()}) == 1


def test_who_arrived_while_the_other_named_is_there_when_it_is_taken_back(world: World) -> None:
    done = switch(world, "ge2e")
    (new,) = new_segments(world, ROWS[6:7] + 0.01 * ROWS[7:8])
    for encoder in ("spectral", "ge2e"):
        announce_vectors(world, encoder, [new])
    work_off(world.database)
    undo(world, done.label_id)
    its = cluster_of(world, "spectral", [new, world.segment_ids[6]])
    assert its[new] == its[world.segment_ids[6]]
    with world.database.begin() as tx:
        assert labels.names(tx, [new])[new].assigned_by == "cluster"


def test_what_only_the_other_could_hear_goes_with_it(world: World) -> None:
    """One that its cluster names, and one that is identified."""
    alone = new_segments(world, ROWS[25:27] + 0.01 * ROWS[26:28])
    world.do([Name((25, 26, 27), "Bea")])
    with world.database.begin() as tx:
        tx.execute(
            sa.text("DELETE FROM embedding WHERE encoder_id = :e AND segment_id = ANY(:ids)"),
            {"e": encoders.by_name(tx, "spectral").encoder_id, "ids": alone},
        )
    before = of_spectral(world)
    done = switch(world, "ge2e")
    with world.database.begin() as tx:
        names = labels.names(tx, alone)
        entry = labels.append(tx, world.collection, "arrive", "test")
        identified = Named(names[alone[1]].speaker_id, "identification", 0.97)
        labels.write(tx, entry, world.collection, {alone[1]: identified})
    assert set(alone) <= names.keys()
    undo(world, done.label_id)
    assert of_spectral(world) == before


def test_it_is_one_transaction(world: World) -> None:
    """Killed before its end, nothing of it is there; worked on again, all of it is."""
    before, asked = everything(world), ask(world, "ge2e")
    found = switching.prepare(world.database, world.collection, "ge2e")
    with suppress(KeyboardInterrupt), world.database.begin() as tx:
        labels.lock_names(tx, world.collection)
        switching.carry_out(tx, asked, found, SETTINGS)
        raise KeyboardInterrupt
    assert everything(world) == before
    assert naming(world) == ("spectral", "ge2e")
    embedded(world, asked)
    assert naming(world) == ("ge2e", "spectral")
    work_off(world.database)


def test_asked_again_it_is_the_same_one(world: World) -> None:
    asked = ask(world, "ge2e")
    assert ask(world, "ge2e").switch_id == asked.switch_id
    embedded(world, asked)
    assert ask(world, "ge2e").switch_id == asked.switch_id
    undo(world, ask(world, "ge2e").label_id)
    with pytest.raises(switches.AlreadyNaming):
        ask(world, "spectral")


def test_another_one_takes_the_place_of_one_under_way(world: World) -> None:
    spec = registry.spec("ge2e")
    with world.database.begin() as tx:
        encoders.announce_encoder(tx, "third", "third@1", spec.dimension, {**asdict(spec), "name": "third"})
    first = ask(world, "third")
    second = ask(world, "ge2e")
    embedded(world, first)
    assert naming(world)[0] == "spectral"
    with world.database.begin() as tx:
        assert switches.get(tx, first.switch_id).state == "superseded"
    embedded(world, second)
    assert naming(world) == ("ge2e", "spectral", "third")


def test_an_encoder_without_any_vector_does_not_take_over(world: World) -> None:
    before = everything(world)
    with world.database.begin() as tx:
        encoder_id = encoders.by_name(tx, "ge2e").encoder_id
        tx.execute(sa.text("DELETE FROM embedding WHERE encoder_id = :e"), {"e": encoder_id})
    failed = switch(world, "ge2e")
    assert (failed.state, failed.code) == ("failed", "nothing_embedded")
    assert everything(world) == before


def test_only_the_newest_switch_is_taken_back(world: World) -> None:
    first = switch(world, "ge2e")
    switch(world, "spectral")
    assert first.label_id is not None
    with pytest.raises(Conflict) as refused, world.database.begin() as tx:
        reversals.undo(tx, first.label_id, "test")
    assert refused.value.code == "newer_switch"


def test_an_erased_voice_does_not_come_back_with_it(world: World) -> None:
    done = switch(world, "ge2e")
    with world.database.begin() as tx:
        erasure.erase_speaker(tx, world.called("Cem"), "test")
    undo(world, done.label_id)
    assert "Cem" not in {name for name, *_ in world.state().values()}
    assert naming(world)[0] == "spectral"
    stands = everything(world)
    assert everything(world.thought_out_anew()) == stands
