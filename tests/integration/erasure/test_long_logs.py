"""The log is read page by page, and a long one in portions: nothing of what was erased is passed over."""

from uuid import UUID

import pytest
import sqlalchemy as sa

from services.ingest import erasing
from shared.events import SegmentsCreated, SegmentsRemoved, WorkPaused
from shared.ledger import traces
from shared.ledger.outbox import announce, publish
from tests.integration.erasure.test_nothing_is_left import erase, finished
from tests.integration.erasure.world import NAME, World
from tests.support.traces import everywhere

FORGETS = {"tombstone", "condemned_blob"}
OTHERS = ("clusterer.forget", "embedder.discard")


def go_on(world: World) -> None:
    """Those that the erasure waits for first."""
    for name in OTHERS:
        world.work(name)
    world.work("ingest.erase")


def lengthen(world: World) -> None:
    """Events that nobody hears of; a page holds no fewer than there are ids to look for."""
    world.say(*(WorkPaused(collection=str(n)) for n in range(50)))


def told_of(world: World, wanted: str) -> int:
    return everywhere(world.database, wanted, FORGETS).get("event", 0)


def test_a_log_of_many_pages_is_read_to_its_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = world.recording("staying"), world.recording("doomed")
    before = told_of(world, other.keys[0])
    monkeypatch.setattr(traces, "PAGE_EVENTS", 2)
    lengthen(world)
    erased = erase(world, one)
    world.work_off()
    assert finished(world, erased)
    assert [told_of(world, str(gone)) for gone in one.segment_ids] == [0] * len(one.segment_ids)
    assert [told_of(world, key) for key in one.keys] == [0] * len(one.keys)
    assert told_of(world, other.keys[0]) == before > 0


def test_what_does_not_fit_into_a_portion_goes_on_where_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one = world.recording("staying")
    monkeypatch.setattr(traces, "PAGE_EVENTS", 1)
    monkeypatch.setattr(erasing, "SLICE_S", -1.0)
    lengthen(world)
    erased = erase(world, one)
    go_on(world)  # deletes the objects
    places = []
    for _ in range(100):
        go_on(world)
        if finished(world, erased):
            break
        places += world.rows("SELECT left_over->'read_to' FROM erasure WHERE left_over IS NOT NULL")
    assert len(places) > 2
    assert places == sorted(places)
    assert len(set(map(str, places))) == len(places)
    assert world.rows("SELECT DISTINCT deferrals FROM delivery WHERE subscription = 'ingest.erase'") == []
    assert [told_of(world, str(gone)) for gone in one.segment_ids] == [0] * len(one.segment_ids)


def test_what_is_committed_late_is_not_passed_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "PATIENCE_S", 0.1)
    one = world.recording("staying")
    late = announce(SegmentsRemoved(collection=NAME, recording_id=UUID(int=7), segment_ids=one.segment_ids))
    with world.database.begin() as tx:
        publish(tx, [late])  # nobody is told, but the log tells:
        tx.execute(sa.text("DELETE FROM delivery WHERE event_id = :event_id"), {"event_id": late.event_id})
        erased = erase(world, one)
        for _ in range(3):
            go_on(world)
        assert not finished(world, erased)
    for _ in range(2):
        go_on(world)
    assert finished(world, erased)
    assert [told_of(world, str(gone)) for gone in one.segment_ids] == [0] * len(one.segment_ids)


def test_what_waits_is_told_nothing_of_it_while_the_log_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = world.recording("staying"), world.recording("doomed")
    monkeypatch.setattr(traces, "PAGE_EVENTS", 1)
    monkeypatch.setattr(erasing, "SLICE_S", -1.0)
    world.say(
        SegmentsCreated(
            recording_id=other.recording_id,
            collection=NAME,
            segmenter="x",
            segment_ids=(*one.segment_ids, *other.segment_ids),
            duration_s=1,
        )
    )
    lengthen(world)
    erased = erase(world, one)
    for _ in range(2):
        go_on(world)
    assert not finished(world, erased)
    ((told,),) = world.rows(
        "SELECT data->'segment_ids' FROM delivery JOIN event USING (event_id) WHERE subscription = 'embedder.embed'"
    )
    assert told == [str(own) for own in other.segment_ids]


def test_several_erasures_read_it_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [world.recording("staying"), world.recording("doomed")]
    erased = [erase(world, one) for one in both]
    pages = []
    erase_page = traces.erase_page
    monkeypatch.setattr(traces, "erase_page", lambda *a: (pages.append(1), erase_page(*a))[1])
    for _ in range(2):
        go_on(world)
    assert all(finished(world, one) for one in erased)
    assert len(pages) == 1


def test_one_that_waits_for_work_holds_up_no_other(world: World) -> None:
    both = [world.recording("staying"), world.recording("doomed")]
    created = SegmentsCreated(
        recording_id=both[0].recording_id, collection=NAME, segmenter="x", segment_ids=both[0].segment_ids, duration_s=1
    )
    world.say(created)
    world.rows("UPDATE delivery SET state = 'leased' WHERE subscription = 'embedder.embed' RETURNING 1")
    erased = [erase(world, one) for one in both]
    for _ in range(2):
        go_on(world)
    assert [finished(world, one) for one in erased] == [False, True]
    assert world.rows("SELECT error_code FROM delivery WHERE subscription = 'ingest.erase'") == [("still_in_work",)]
