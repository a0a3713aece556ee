"""Where people name several speakers in a cluster, each other member follows the nearest of them, or nobody."""

from uuid import UUID

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from services.clusterer import forgetting, naming, spreading
from services.clusterer.spaces import space_of
from services.clusterer.spreading import Membership
from shared.settings import ClustererSettings
from shared.storage import clusters, explain, label_states, labels, listing_labels, splits, words
from shared.storage.database import Database
from tests.integration.clusterer.arrivals import arrive
from tests.integration.clusterer.histories import CLUSTERS, ROWS, Name, NameCluster, Reject, Step, Undo, World
from tests.integration.clusterer.random_steps import steps

ADA, BEA = CLUSTERS[2][:3], CLUSTERS[2][3]  # the cluster of two voices, and who is whose
TWO_NAMED = [Name((ADA[0],), "Ada"), Name((BEA,), "Bea")]


def names(world: World) -> dict[int, tuple[str, str]]:
    """Who the members of the cluster of two voices belong to, and by what."""
    return {n: (who, by) for n, (who, by, _) in world.state().items() if n in CLUSTERS[2] and by != "identification"}


def test_one_dissenting_label_leaves_the_others_their_name(database: Database) -> None:
    world = World(database).do(TWO_NAMED)
    assert names(world) == {
        ADA[0]: ("Ada", "human"),
        ADA[1]: ("Ada", "cluster"),
        ADA[2]: ("Ada", "cluster"),
        BEA: ("Bea", "human"),
    }


def test_who_follows_a_voice_is_as_sure_as_the_cluster_and_the_voice_together(database: Database) -> None:
    world = World(database).do(TWO_NAMED)
    _, _, confidence = world.state()[ADA[1]]
    assert confidence is not None
    assert 0.95 * 0.75 <= confidence < 0.75


def test_who_is_about_as_near_to_both_voices_follows_neither(database: Database) -> None:
    """Two names for one voice: which of them it is, no third segment of it can say."""
    world = World(database).do([Name((5,), "Ada"), Name((6,), "Bea")])
    followers = {n for n in CLUSTERS[1] if world.state().get(n, ("", "", None))[1] == "cluster"}
    assert len(followers) < 3


def test_whoever_was_rejected_for_the_nearest_voice_follows_the_next(database: Database) -> None:
    world = World(database).do([*TWO_NAMED, Reject(ADA[1], "Ada")])
    assert names(world)[ADA[1]] == ("Bea", "cluster")
    assert names(world.do([Reject(ADA[1], "Bea")])).get(ADA[1]) is None


def test_a_word_on_the_cluster_wins_for_all_who_have_no_word(database: Database) -> None:
    world = World(database).do([*TWO_NAMED, NameCluster(2, "Cem")])
    assert names(world)[ADA[1]] == ("Cem", "cluster")
    assert names(world)[BEA] == ("Bea", "human")


def test_taking_the_dissenting_label_back_is_as_if_it_had_never_been_given(database: Database) -> None:
    before = World(database).do(TWO_NAMED[:1])
    after = World(database).do([*TWO_NAMED, Undo(1)])
    assert (after.state(), after.suggested()) == (before.state(), before.suggested())


def test_an_arrival_into_a_contested_cluster_follows_the_nearest_voice_too(database: Database) -> None:
    world = World(database).do(TWO_NAMED)
    like_ada, like_bea = arrived = arrive(world, ROWS[ADA[0]] + 0.1 * ROWS[ADA[1]], ROWS[BEA] + 0.1 * ROWS[ADA[1]])
    with database.begin() as tx:
        clusters.join(tx, world.collection, "spectral", [(s, world.cluster_ids[2], 0.8) for s in arrived])
        entry = labels.append(tx, world.collection, "arrive", naming.ACTOR)
        naming.settle_arrivals(tx, space_of(tx, world.collection), entry, arrived)
        at_once = labels.names(tx, arrived)
    assert [(at_once[s].assigned_by, at_once[s].because_id) for s in (like_ada, like_bea)] == [
        ("cluster", world.made[0]),
        ("cluster", world.made[1]),
    ]
    world.thought_out_anew()
    with database.begin() as tx:
        assert labels.names(tx, arrived) == at_once


def test_the_latest_word_on_the_voice_is_the_reason(database: Database) -> None:
    world = World(database).do([*TWO_NAMED, Name((ADA[2],), "Ada")])
    with database.begin() as tx:
        why = explain.why(tx, world.segment_ids[ADA[1]])
    assert why.because is not None
    assert why.because.label_id == world.made[2]
    assert why.cluster is not None
    assert [(n.speaker, n.segments) for n in why.cluster.named] == [(world.called("Ada"), 2), (world.called("Bea"), 1)]


def test_a_cluster_of_two_voices_is_listed_with_both(database: Database) -> None:
    world = World(database).do(TWO_NAMED)
    with database.begin() as tx:
        listed = {c.cluster_id: c for c in listing_labels.clusters(tx, world.collection, "spectral", most=9)}
    own = listed[world.cluster_ids[2]]
    assert own.speaker == world.called("Ada")
    assert own.speakers == [
        {"name": world.called("Ada"), "segments": 3},
        {"name": world.called("Bea"), "segments": 1},
    ]
    assert listed[world.cluster_ids[0]].speakers == []


def test_a_segment_that_is_named_as_it_was_has_not_changed(database: Database) -> None:
    world = World(database).do([Name((5,), "Cem"), Name((6,), "Cem"), Undo(1)])
    with database.begin() as tx:
        changed = [label_states.label_state(tx, made).changed for made in world.made if made]
    assert changed == [len(CLUSTERS[1]), 0, 0]


def test_a_page_of_clusters_looks_at_the_members_of_no_other(database: Database) -> None:
    world = World(database)
    values = {"collection": world.collection, "encoder": "spectral", "n_segments": 2**31, "cluster_id": UUID(int=0)}
    with database.begin() as tx:
        explained = sa.text(f"EXPLAIN (ANALYZE, FORMAT JSON) {listing_labels.CLUSTERS.text}")
        (plan,) = tx.execute(explained, values | {"most": 1}).scalar_one()
    nodes = [plan["Plan"]]
    for node in nodes:
        nodes += node.get("Plans", [])
    read = [
        n["Actual Loops"] * (n["Actual Rows"] + n.get("Rows Removed by Filter", 0))
        for n in nodes
        if n.get("Relation Name") == "cluster_member"
    ]
    # None of them, if the planner has looked into what is assigned first, which is nothing.
    assert sum(read) in (0, len(CLUSTERS[1]))


def test_members_without_a_vector_keep_the_name_that_a_voice_gave_them(database: Database) -> None:
    """As after an encoder has changed, until the collection is embedded anew."""
    world = World(database).do(TWO_NAMED)
    forget_vectors(world, ADA[1])
    before = names(world)
    assert names(world.do([Name((0,), "Cem"), Name((ADA[2],), "Ada")])) == before | {ADA[2]: ("Ada", "human")}
    assert ADA[1] not in names(world.do([Reject(ADA[1], "Ada")]))


def test_a_voice_without_a_vector_takes_no_member_from_another(database: Database) -> None:
    world = World(database).do(TWO_NAMED[:1])
    forget_vectors(world, BEA)
    assert names(world.do(TWO_NAMED[1:]))[ADA[1]] == ("Ada", "cluster")


def test_members_are_looked_at_again_when_the_only_dissenting_segment_goes(database: Database) -> None:
    """Undecided between two names for one voice, until the one segment of the second is taken apart."""
    world = World(database).do([Name((5,), "Ada"), Name((6,), "Bea")])
    undecided = [n for n in (7, 8, 9) if world.state().get(n, ("", "", None))[1] != "cluster"]
    assert undecided
    with database.begin() as tx:
        removed = splits.split(tx, world.segment_ids[6], [6 * 3 + 1.5], "test").removed
    with database.begin() as tx:
        forgetting.forget(tx, [removed], ClustererSettings())
    assert {world.state()[n][:2] for n in undecided} == {("Ada", "cluster")}
    state, suggested = world.state(), world.suggested()
    assert (world.thought_out_anew().state(), world.suggested()) == (state, suggested)


def forget_vectors(world: World, number: int) -> None:
    with world.database.begin() as tx:
        tx.execute(sa.text("DELETE FROM embedding WHERE segment_id = :id"), {"id": world.segment_ids[number]})


def test_random_histories_come_to_members_that_follow_one_of_several_voices(database: Database) -> None:
    """Else the properties of `test_histories` would say nothing of them."""
    n_followers: list[int] = []

    @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(history=steps)
    def walk(history: list[Step]) -> None:
        n_followers.append(followers(World(database).do(history)))

    walk()
    assert sum(n > 0 for n in n_followers) >= 5


def followers(world: World) -> int:
    """How many members follow a voice of a cluster that has no name."""
    with world.database.begin() as tx:
        inside = clusters.members(tx, world.cluster_ids)
        membership = {s: Membership(c, p) for c, members in inside.items() for s, p in members.items()}
        said = words.said(tx, list(membership))
        voices = spreading.voices_of_clusters(membership, said)
        contested = spreading.contested(voices, words.cluster_names(tx, world.cluster_ids))
        names = labels.names(tx, [s for c in contested for s in inside[c] if s not in said])
    return sum(name.assigned_by == "cluster" for name in names.values())
