"""A clustering is taken back: everything is as before it, but for what people said and who came or went since."""

from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa

from services.clusterer import generations, handlers
from shared.errors import Conflict
from shared.events import ClustersUpdated, LabelsPropagated
from shared.settings import ClustererSettings
from shared.storage import clusters, erasure, generations_before, labels, people, reversals, splits
from shared.storage.database import Database
from tests.integration.clusterer.arrivals import arrive, cluster_of, waiting
from tests.integration.clusterer.histories import CLUSTERS, ROWS, Import, Name, NameCluster, Recluster, Undo, World
from tests.integration.clusterer.standing import everything, rows
from tests.integration.clusterer.test_erasure import FINISHED_LATER
from tests.support.traces import everywhere

# Two voices are named in the third cluster, so that the next clustering parts them.
TWO_VOICES = Import(((CLUSTERS[2][0], "Ada"), (CLUSTERS[2][3], "Bea")))
KEPT = ("cluster_before", "calibration_before", "centroid_before")
LIKE_5 = 0.8 * ROWS[5] + 0.2 * ROWS[7]


def code_of(world: World, label_id: UUID | None) -> str:
    assert label_id is not None
    with pytest.raises(Conflict) as refused, world.database.begin() as tx:
        reversals.undo(tx, label_id, "test")
    return refused.value.code


@pytest.fixture
def world(database: Database) -> World:
    """Clustered, named, and one segment has come since: it follows its cluster, and its voice does not count yet."""
    world = World(database).do([Recluster(), Name((5,), "Cem"), TWO_VOICES])
    arrive(world, LIKE_5)
    return world


def test_everything_is_as_before_and_as_after_again(world: World) -> None:
    before = everything(world)
    after = everything(world.do([Recluster()]))
    changed = {what for what in before if before[what] != after[what]}
    assert changed >= {"clusters", "members", "left", "calibration", "voices", "names"}
    assert everything(world.do([Undo(3)])) == before
    assert everything(world.do([Undo(4)])) == after
    assert everything(world.do([Undo(3)])) == before


def test_before_the_first_clustering_there_were_no_clusters(database: Database) -> None:
    world = World(database)
    with database.begin() as tx:
        tx.execute(sa.text("DELETE FROM cluster WHERE collection = :c"), {"c": world.collection})
    before = everything(world.do([Name((5,), "Cem")]))
    assert everything(world.do([Recluster(), Undo(1)])) == before
    (new,) = arrive(world, LIKE_5)
    assert (cluster_of(world, [new]), waiting(world)) == ({}, set())


def test_who_came_since_comes_to_the_clusters_before(world: World) -> None:
    world.do([Recluster()])
    joins, stranger = arrive(world, LIKE_5, np.random.default_rng(9).normal(size=64))
    world.do([Undo(3)])
    its_cluster = cluster_of(world, [joins, world.segment_ids[5]])
    assert its_cluster[joins] == its_cluster[world.segment_ids[5]]
    assert waiting(world) == {stranger}
    (n_arrived,) = rows(world, "SELECT n_arrived FROM calibration WHERE collection = :collection")
    assert n_arrived == (3,)
    with world.database.begin() as tx:
        assert generations_before.arrived_since(tx, world.collection, "spectral") == []


def test_a_voice_that_people_spoke_of_since_counts(world: World) -> None:
    world.do([Recluster(), Name((20,), "Cem"), Undo(3)])
    said = everything(world)
    assert everything(world.thought_out_anew()) == said


def test_what_was_split_since_does_not_come_back(world: World) -> None:
    world.do([Recluster()])
    own = cluster_of(world, world.segment_ids)
    gone = world.segment_ids[6]
    with world.database.begin() as tx:
        splits.split(tx, gone, [6 * 3 + 1.5], "test")
    world.do([Undo(3)])
    assert gone not in cluster_of(world, [*world.segment_ids])
    sizes = rows(world, 'SELECT n_segments FROM cluster WHERE collection = :collection AND "current"')
    assert sum(n for (n,) in sizes) == len(rows(world, "SELECT 1 FROM cluster_member WHERE until_generation IS NULL"))
    assert gone in own


def test_only_the_newest_clustering_is_taken_back(world: World) -> None:
    world.do([Recluster(), Recluster()])
    older, newest = world.made[3], world.made[4]
    assert code_of(world, older) == "newer_clustering"
    world.do([Undo(4)])
    assert code_of(world, newest) == "already_undone"
    assert code_of(world, older) == "not_kept"
    assert world.do([Undo(3)]).made[-1] is None


def test_a_clustering_that_was_taken_back_does_not_come_again_after_another_one(world: World) -> None:
    world.do([Recluster(), Undo(3), Recluster()])
    assert code_of(world, world.made[4]) == "newer_clustering"


def test_one_generation_is_kept_and_no_more(world: World) -> None:
    world.do([Recluster()])
    for step in (Recluster(), Undo(4), Undo(5), Recluster()):
        world.do([step])
        assert world.made[-1] is not None
        for table in KEPT:
            assert len(rows(world, f"SELECT DISTINCT generation FROM {table}")) == 1, table
        assert len(rows(world, "SELECT generation FROM clustering_state")) == 2


def test_a_newer_clustering_that_comes_between_stands(world: World) -> None:
    """The person's word is on its way to the clusterer while that finishes a clustering."""
    world.do([Recluster()])
    with world.database.begin() as tx:
        label_id = world.made[3]
        assert label_id is not None
        recorded = reversals.undo(tx, label_id, "test")
    after = everything(world.do([Recluster()]))
    (event,) = recorded.events
    with world.database.begin() as tx:
        labels.lock_names(tx, world.collection)
        (told,) = handlers.spread(tx, event, ClustererSettings())
    assert isinstance(told, LabelsPropagated)
    assert everything(world) == after


def test_what_is_brought_again_before_it_is_worked_on_changes_nothing(world: World) -> None:
    after = everything(world.do([Recluster()]))
    assert world.made[3] is not None
    with world.database.begin() as tx:
        taken = reversals.undo(tx, world.made[3], "test")
        again = reversals.undo(tx, taken.label_id, "test")
        for event in (*taken.events, *again.events):
            handlers.spread(tx, event, ClustererSettings())
    assert everything(world) == after
    assert rows(world, "SELECT max(generation) FROM clustering WHERE collection = :collection") == [(3,)]


def test_it_is_announced_as_a_generation_of_its_own(world: World) -> None:
    world.do([Recluster()])
    with world.database.begin() as tx:
        generation = clusters.generation_of(tx, world.collection, "spectral")
        assert world.made[3] is not None
        (event,) = reversals.undo(tx, world.made[3], "test").events
        told, updated = handlers.spread(tx, event, ClustererSettings())
        assert isinstance(updated, ClustersUpdated)
        assert updated.generation == clusters.generation_of(tx, world.collection, "spectral") == generation + 1
        assert updated.n_clusters == len(clusters.standing(tx, world.collection, "spectral"))
        n_members = sum(
            len(m) for m in clusters.members(tx, clusters.standing(tx, world.collection, "spectral")).values()
        )
        assert updated.n_segments == n_members + updated.n_noise == 31
        assert isinstance(told, LabelsPropagated)
        assert told.n_cluster > 0


def test_an_erased_voice_is_kept_nowhere_and_does_not_come_back(database: Database) -> None:
    world, without = (World(database).do([TWO_VOICES, NameCluster(1, "Cem")]) for _ in range(2))
    theirs = [world.segment_ids[n] for n, (name, *_) in world.state().items() if name == "Cem"]
    world.do([Recluster()])
    clustered = world.clustered()
    with database.begin() as tx:
        speaker_id = people.speaker_named(tx, world.called("Cem"))
        erasure.erase_speaker(tx, world.called("Cem"), "test")
        erasure.erase_speaker(tx, without.called("Cem"), "test")
    for gone in (*theirs, speaker_id):
        assert everywhere(database, str(gone), FINISHED_LATER) == {}, gone
    for table in ("calibration_before", "centroid_before"):
        assert rows(world, f"SELECT 1 FROM {table} WHERE collection = :collection") == [], table
    assert world.do([Undo(2)]).made[-1] is not None
    assert world.clustered() == without.clustered() != clustered


def test_clusters_that_stood_earlier_forget_an_erased_voice(world: World) -> None:
    world.do([Name((22,), "Cem")])  # two of the clusters that were there at first are one now
    theirs = [world.segment_ids[n] for n, (name, *_) in world.state().items() if name == "Cem"]
    with world.database.begin() as tx:
        erasure.erase_speaker(tx, world.called("Cem"), "test")
    for gone in theirs:
        assert everywhere(world.database, str(gone), FINISHED_LATER) == {}, gone


def test_who_leaves_their_cluster_by_the_clustering_that_found_without_them_can_join_again(world: World) -> None:
    found = generations.find(world.database, world.collection, "spectral")
    (new,) = arrive(world, LIKE_5)
    assert new in cluster_of(world, [new])
    with world.database.begin() as tx:
        request = clusters.request(tx, world.collection, "spectral")
        generations.finish(tx, request.request_id, generations.write(tx, found), found)
        handlers.follow(tx, found, ClustererSettings())
    assert new in cluster_of(world, [new])
