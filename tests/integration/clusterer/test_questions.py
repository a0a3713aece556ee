"""What to ask next follows from what is known, and leaves out what was said or passed over."""

import pytest
import sqlalchemy as sa

from services.clusterer import questioning
from services.clusterer.spaces import space_of
from shared.storage import questions
from shared.storage.database import Database
from shared.storage.questions import NoQuestionsYet, Questions
from tests.integration.clusterer.histories import CLUSTERS, Name, Recluster, Undo, World


def asked(world: World) -> Questions:
    with world.database.begin() as tx:
        questioning.think_out(tx, space_of(tx, world.collection))
        return questions.read(tx, world.collection, 200)


def test_the_largest_unnamed_cluster_comes_first(database: Database) -> None:
    world = World(database)
    first = asked(world).items[0]
    assert first.segment_id in {world.segment_ids[n] for n in CLUSTERS[1]}
    assert (first.why, first.n_segments) == ("names_cluster", len(CLUSTERS[1]))
    assert first.reason == f"names {len(CLUSTERS[1])} segments of an unnamed cluster"


def test_what_is_named_is_not_asked_about(database: Database) -> None:
    world = World(database).do([Name((5,), "Ada")])
    found = asked(world)
    assert found.fresh
    assert not {q.segment_id for q in found.items if q.why == "names_cluster"} & {
        world.segment_ids[n] for n in CLUSTERS[1]
    }


def test_a_label_makes_the_questions_stale_and_its_segment_no_question(database: Database) -> None:
    world = World(database)
    first = asked(world).items[0].segment_id
    world.do([Name((world.segment_ids.index(first),), "Ada")])
    with database.begin() as tx:
        found = questions.read(tx, world.collection, 200)
    assert not found.fresh
    assert first not in {q.segment_id for q in found.items}


def test_what_was_passed_over_is_not_asked_again(database: Database) -> None:
    world = World(database)
    first = asked(world).items[0].segment_id
    with database.begin() as tx:
        questions.skip(tx, first, "test")
        assert first not in {q.segment_id for q in questions.read(tx, world.collection, 200).items}
    assert first not in {q.segment_id for q in asked(world).items}


def test_there_are_no_questions_while_only_another_encoder_has_clusters(database: Database) -> None:
    world = World(database)
    with database.begin() as tx:
        tx.execute(sa.text("UPDATE cluster SET encoder = 'other' WHERE collection = :c"), {"c": world.collection})
    with pytest.raises(NoQuestionsYet):
        asked(world)


def test_there_are_no_questions_when_the_first_clustering_is_taken_back(database: Database) -> None:
    world = World(database)
    with database.begin() as tx:
        tx.execute(sa.text("DELETE FROM cluster WHERE collection = :c"), {"c": world.collection})
    assert asked(world.do([Recluster()])).items
    with pytest.raises(NoQuestionsYet):
        asked(world.do([Undo(0)]))
    assert asked(world.do([Undo(1)])).items
