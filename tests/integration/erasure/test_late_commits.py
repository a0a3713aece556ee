"""Work that began before an erasure and ends after it writes nothing, and bytes that were erased do not come back."""

import threading
from dataclasses import asdict, replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
import sqlalchemy as sa

from services.ingest import handlers
from shared import ids
from shared.encoders import registry as of_encoders
from shared.events import RenditionRequested, SegmentsCreated
from shared.storage import (
    attributes,
    collections,
    encoder_comparisons,
    encoders,
    erasure,
    labels,
    progress,
    segments,
    subsets,
    tombstones,
)
from shared.storage.objects import ObjectStoreUnavailable
from shared.storage.segments import Cut, NewSegment
from shared.storage.subsets import Wanted
from tests.integration.erasure.racing import Meanwhile
from tests.integration.erasure.test_nothing_is_left import erase, finished
from tests.integration.erasure.world import NAME, World
from tests.support.locks import WAITING
from tests.support.stack import until
from tests.support.traces import everywhere


def test_segments_renditions_subsets_and_comparisons_that_come_late_are_not_written(world: World) -> None:
    one = world.recording("staying")
    spec = replace(of_encoders.spec("spectral"), name="other", revision="2")
    with world.database.begin() as tx:
        encoders.announce_encoder(tx, spec.name, spec.space, spec.dimension, asdict(spec))
        comparison = encoder_comparisons.request(tx, NAME, ["spectral", "other"])
    request = RenditionRequested(recording_id=one.recording_id, collection=NAME, sample_rate_hz=8000, duration_s=4)
    world.say(request)
    world.handlers["ingest.render"] = lambda work: handlers.render(work, world.ingest)
    object.__setattr__(world.ingest, "decoder", Meanwhile(world.decoder, "decode", lambda: erase(world, one)))
    world.work_off("ingest.render")
    with world.database.begin() as tx:
        new = NewSegment(one.segment_ids[0], 0, 16_000)
        assert segments.write_cuts(tx, [Cut(one.recording_id, NAME, "whole@1", (new,), ("spectral",))]) == set()
        encoder_comparisons.write(tx, comparison.comparison_id, {"worst": str(one.segment_ids[0])})
    world.work_off()
    world.sweep()
    for table in ("rendition", "segment", "recording_progress", "comparison"):
        assert world.rows(f"SELECT count(*) FROM {table}") == [(0,)], table
    assert world.blobs() == set()


def test_a_subset_is_drawn_of_what_an_erasure_leaves(world: World) -> None:
    one, _ = world.recording("staying"), world.recording("doomed")
    drawn: list[int] = []

    def draw() -> None:
        with world.database.begin() as tx:
            drawn.append(subsets.create(tx, NAME, "pilot", Wanted())[0].n_recordings)

    thread = threading.Thread(target=draw)
    with world.database.begin() as tx:
        erasure.erase_recordings(tx, NAME, [one.recording_id], "test")
        thread.start()
        until(lambda: world.rows(WAITING))
        assert not drawn
    thread.join(30)
    assert drawn == [1]


def test_an_erasure_waits_for_a_subset_that_is_drawn_and_takes_its_values_from_it(world: World) -> None:
    one, _ = world.recording("staying"), world.recording("doomed")
    with world.database.begin() as tx:
        attributes.put(tx, NAME, {one.keys[0]: {"talker": one.words}})
    eraser = threading.Thread(target=lambda: erase(world, one))
    with world.database.begin() as tx:
        subsets.create(tx, NAME, "pilot", Wanted(by="talker", percent=50, partial=True))
        eraser.start()
        until(lambda: world.rows(WAITING))
    eraser.join(30)
    assert world.rows("SELECT count(*) FROM tombstone") == [(1,)]
    assert everywhere(world.database, one.words) == {}


def test_an_erasure_that_is_interrupted_goes_on(world: World) -> None:
    one = world.recording("doomed")

    def break_off() -> None:
        raise ObjectStoreUnavailable("after the first of two objects")

    erased = erase(world, one)
    object.__setattr__(world.ingest, "objects", Meanwhile(world.store, "delete", break_off))
    world.work("ingest.erase")
    assert len(world.objects()) < 2
    assert not finished(world, erased)
    world.look()  # the sweep of the bucket takes neither for new
    assert world.rows("SELECT count(*) FROM recording") == [(0,)]
    world.work_off()
    assert finished(world, erased)
    assert world.objects() == set()


def test_the_log_is_kept_as_long_as_work_on_the_recording_is_under_way(world: World) -> None:
    one = world.recording("staying")
    created = SegmentsCreated(
        recording_id=one.recording_id, collection=NAME, segmenter="x", segment_ids=one.segment_ids, duration_s=1
    )
    world.say(created)
    world.rows("UPDATE delivery SET state = 'leased' WHERE subscription = 'embedder.embed' RETURNING 1")
    erased = erase(world, one)
    for _ in range(3):
        world.work("ingest.erase")
        world.work("clusterer.forget")
        world.work("embedder.discard")
    assert world.rows("SELECT error_code FROM delivery WHERE subscription = 'ingest.erase'") == [("still_in_work",)]
    world.rows("DELETE FROM delivery WHERE subscription = 'embedder.embed' RETURNING 1")
    world.work_off()
    assert finished(world, erased)


def test_unknown_recordings_are_refused_and_nothing_is_erased(world: World) -> None:
    one = world.recording("staying")
    with pytest.raises(erasure.UnknownRecording), world.database.begin() as tx:
        erasure.erase_recordings(tx, NAME, [one.recording_id, UUID(int=1)], "test")
    assert world.rows("SELECT count(*) FROM recording") == [(1,)]


def test_a_restored_backup_gives_up_what_had_been_erased(world: World) -> None:
    one = world.recording("staying")
    stone = tombstones.Tombstone(one.recording_id, "recording", NAME, UUID(int=1), datetime.now(UTC))
    with world.database.begin() as tx:
        assert tombstones.restore(tx, [stone]) == 1
    with world.database.begin() as tx:
        again = erasure.erase_what_came_back(tx, [one.recording_id], "test")
    assert again is not None
    assert again.recordings == [one.recording_id]
    with world.database.begin() as tx:
        assert tombstones.restore(tx, [stone]) == 0
        assert erasure.erase_what_came_back(tx, [one.recording_id], "test") is None


def test_an_erasure_does_not_wait_for_work_that_nobody_has_begun(world: World) -> None:
    one = world.recording("staying")
    others = UUID(int=7)
    for recording_id, segment_ids in ((one.recording_id, one.segment_ids), (others, (*one.segment_ids, others))):
        world.say(
            SegmentsCreated(
                recording_id=recording_id, collection=NAME, segmenter="x", segment_ids=segment_ids, duration_s=1
            )
        )
    erased = erase(world, one)
    world.work_off()
    assert finished(world, erased)
    waiting = (
        "SELECT data->'segment_ids' FROM delivery JOIN event USING (event_id) WHERE subscription = 'embedder.embed'"
    )
    assert world.rows(waiting) == [([str(others)],)]


def test_counts_are_locked_before_the_recordings_that_a_voice_is_taken_out_of(world: World) -> None:
    one = world.recording("staying")
    erased = threading.Event()

    def erase_voice() -> None:
        with world.database.begin() as tx:
            erasure.erase_speaker(tx, "Ada", "test")
        erased.set()

    eraser = threading.Thread(target=erase_voice)
    with world.database.begin() as tx:
        assert progress.hold(tx, one.recording_id)
        eraser.start()
        until(lambda: world.rows(WAITING))
        assert not erased.is_set()
        tx.execute(sa.text("UPDATE recording SET state = 'ready'"))  # as an embedder does
    eraser.join(30)
    assert erased.is_set()


def test_an_erasure_waits_for_names_of_collections_that_it_learns_of_while_it_waits(world: World) -> None:
    world.recording("staying")
    receipts: list[list[str]] = []

    def erase_voice() -> None:
        with world.database.begin() as tx:
            receipts.append(erasure.erase_speaker(tx, "Ada", "test").receipt.collections)

    eraser = threading.Thread(target=erase_voice)
    with world.database.begin() as tx:
        labels.lock_names(tx, NAME)
        eraser.start()
        eraser.join(0.5)
        collections.create(tx, "another", "whole", ("spectral",))
        tx.execute(
            sa.text("""
                INSERT INTO centroid (collection, encoder_id, speaker_id, vector_sum, n, seconds)
                SELECT 'another', :space, speaker_id, '', 1, 1 FROM speaker WHERE name = 'Ada'
            """),
            {"space": world.space.encoder_id},
        )
    eraser.join(30)
    assert receipts == [["another", NAME]]
    assert world.rows("SELECT count(*) FROM centroid WHERE collection = 'another'") == [(0,)]


def test_an_erasure_of_many_recordings_takes_few_locks(world: World) -> None:
    with world.database.begin() as tx:
        tombstones.claim(tx, [ids.recording_id(NAME, str(n)) for n in range(20_000)])
        assert tx.execute(sa.text("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()")).scalar_one() < 1100
