"""Which deliveries the relay takes when several collections wait, and which it leaves alone."""

from collections import Counter
from uuid import uuid4

import pytest
import sqlalchemy as sa

from shared.events import ClusteringRequested, ErasureBegun, ObjectSeen, SegmentsRemoved
from shared.ledger import pauses, queueing
from shared.ledger.outbox import announce, publish
from shared.ledger.pauses import NotPausable, UnknownStage
from shared.settings import LedgerSettings
from shared.storage import collections
from shared.storage.database import Database, Transaction

SETTINGS = LedgerSettings()
ENTRIES_READ = sa.text("SELECT sum(pg_stat_get_xact_tuples_returned(oid)) FROM pg_class WHERE relname ~ 'delivery'")


def arrive(database: Database, collection: str, n_events: int) -> None:
    events = [
        ObjectSeen(object_id=uuid4(), collection=collection, bucket="audio", key="k", etag="e", size_bytes=1)
        for _ in range(n_events)
    ]
    with database.begin() as tx:
        collections.ensure(tx, collection, "whole", ("ge2e",))
        publish(tx, [announce(event) for event in events])


def taken(tx: Transaction, most: int, after: str = "", settings: LedgerSettings = SETTINGS) -> list[str]:
    """The collections of the deliveries that would be pushed next, in their order."""
    lanes = queueing.survey(tx, settings)
    return queueing.take(tx, lanes[0], most, after)[1] if lanes else []


def test_a_backlog_leaves_half_of_the_turns_to_who_comes_later(database: Database) -> None:
    arrive(database, "many", 100)
    arrive(database, "ten", 10)
    with database.begin() as tx:
        assert taken(tx, 8) == ["many", "ten"] * 4


def test_turns_that_one_does_not_need_are_the_others(database: Database) -> None:
    arrive(database, "many", 100)
    arrive(database, "ten", 10)
    with database.begin() as tx:
        assert Counter(taken(tx, 60)) == {"many": 50, "ten": 10}


def test_a_weight_counts_as_so_many_turns(database: Database) -> None:
    arrive(database, "heavy", 100)
    arrive(database, "light", 100)
    with database.begin() as tx:
        collections.weigh(tx, "heavy", 3)
        assert taken(tx, 8) == ["heavy", "heavy", "heavy", "light"] * 2


def six_are_out(tx: Transaction) -> None:
    """Queued or in work."""
    tx.execute(
        sa.text("""UPDATE delivery SET state = (ARRAY['queued', 'leased'])[1 + n % 2]
                   FROM (SELECT event_id, row_number() OVER () AS n FROM delivery LIMIT 6) AS six
                   WHERE delivery.event_id = six.event_id""")
    )


def test_a_collection_has_no_more_out_than_it_may_while_others_wait(database: Database) -> None:
    arrive(database, "many", 100)
    with database.begin() as tx:
        six_are_out(tx)
    arrive(database, "ten", 10)
    with database.begin() as tx:
        assert Counter(taken(tx, 60, settings=LedgerSettings(out_per_collection=10))) == {"many": 4, "ten": 10}


def test_a_collection_that_waits_alone_has_all_the_room(database: Database) -> None:
    arrive(database, "many", 100)
    with database.begin() as tx:
        six_are_out(tx)
        assert len(taken(tx, 60, settings=LedgerSettings(out_per_collection=10))) == 60


def test_the_time_is_part_of_what_the_index_is_asked_for(database: Database) -> None:
    """Else each look would read past what waits for its next attempt."""
    with database.begin() as tx:
        tx.execute(
            sa.text("""INSERT INTO delivery (event_id, subscription, collection, not_before)
                       SELECT gen_random_uuid(), 'ingest.register', 'later', now() + interval '1 hour'
                       FROM generate_series(1, 20000)""")
        )
        tx.execute(sa.text("ANALYZE delivery"))
        assert queueing.survey(tx, SETTINGS) == []
        assert tx.execute(ENTRIES_READ).scalar_one() < 1000


def test_a_paused_collection_is_left_alone_until_it_is_resumed(database: Database) -> None:
    arrive(database, "rests", 5)
    arrive(database, "works", 5)
    with database.begin() as tx:
        pauses.pause(tx, "collection", "rests", "ann")
        assert set(taken(tx, 60)) == {"works"}
    with database.begin() as tx:
        assert pauses.resume(tx, "collection", "rests")
        assert set(taken(tx, 60)) == {"works", "rests"}


@pytest.mark.parametrize("stage", ["ingest", "ingest.register"])
def test_a_paused_stage_is_left_alone_and_others_go_on(database: Database, stage: str) -> None:
    arrive(database, "c", 5)
    wanted = ClusteringRequested(request_id=uuid4(), collection="c", encoder="ge2e")
    with database.begin() as tx:
        publish(tx, [announce(wanted)])
        pauses.pause(tx, "stage", stage, "ann")
        assert [lane.subscription for lane in queueing.survey(tx, SETTINGS)] == ["clusterer.recluster"]


def test_no_pause_keeps_what_was_erased(database: Database) -> None:
    arrive(database, "c", 5)
    removed = SegmentsRemoved(collection="c", recording_id=uuid4(), segment_ids=(uuid4(),))
    with database.begin() as tx:
        publish(tx, [announce(ErasureBegun(receipt_id=uuid4())), announce(removed)])
        pauses.pause(tx, "collection", "c", "ann")
        for stage in ("ingest", "embedder", "clusterer"):
            pauses.pause(tx, "stage", stage, "ann")
        found = [lane.subscription for lane in queueing.survey(tx, SETTINGS)]
        assert found == ["clusterer.forget", "embedder.discard", "ingest.erase"]
        with pytest.raises(NotPausable):
            pauses.pause(tx, "stage", "ingest.erase", "ann")


def test_who_pauses_again_changes_nothing(database: Database) -> None:
    with database.begin() as tx:
        first = pauses.pause(tx, "stage", "embedder", "ann")
        assert pauses.pause(tx, "stage", "embedder", "bob") == first
        assert pauses.listing(tx) == [first]


def test_a_stage_that_is_none_cannot_be_paused(database: Database) -> None:
    with database.begin() as tx, pytest.raises(UnknownStage):
        pauses.pause(tx, "stage", "decoder", "ann")


def test_a_look_reads_past_no_backlog(database: Database) -> None:
    """However much one collection has waiting, the next one is found by one step through the index."""
    with database.begin() as tx:
        tx.execute(
            sa.text("""INSERT INTO delivery (event_id, subscription, collection)
                       SELECT gen_random_uuid(), 'ingest.register', CASE n % 1000 WHEN 0 THEN 'small' ELSE 'large' END
                       FROM generate_series(1, 20000) AS n""")
        )
        tx.execute(sa.text("ANALYZE delivery"))
        for lane in queueing.survey(tx, SETTINGS):
            queueing.take(tx, lane, 64, "")
        assert tx.execute(ENTRIES_READ).scalar_one() < 1000
