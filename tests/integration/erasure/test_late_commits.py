"""Work that began before an erasure and ends after it writes nothing, and bytes that were erased do not come back."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
import sqlalchemy as sa

from services.ingest import handlers, refusing
from shared import ids
from shared.encoders import registry as of_encoders
from shared.events import RenditionRequested, SegmentsCreated
from shared.settings import Settings
from shared.storage import (
    attributes,
    collections,
    encoder_comparisons,
    encoders,
    erasure,
    labels,
    progress,
    recordings,
    segments,
    subsets,
    tombstones,
)
from shared.storage.database import Database, GoneMeanwhile, Transaction
from shared.storage.objects import ObjectStoreUnavailable
from shared.storage.segments import Cut, NewSegment
from shared.storage.subsets import Wanted
from tests.integration.embedder.working import COLLECTION, FIRST, Workshop, two_encoders
from tests.integration.erasure.test_nothing_is_left import erase, finished
from tests.integration.erasure.world import KEYS, NAME, World
from tests.support.traces import everywhere


class Meanwhile:
    """A tool that lets something happen once when it has done its part."""

    def __init__(self, inner: object, method: str, happens: Callable[[], object]) -> None:
        self._inner, self._method, self._happens = inner, method, happens

    def __getattr__(self, name: str) -> object:
        real = getattr(self._inner, name)
        return self._then(real) if name == self._method else real

    def _then(self, real: Callable[..., object]) -> Callable[..., object]:
        def called(*arguments: object) -> object:
            done = real(*arguments)
            happens, self._happens = self._happens, lambda: None
            happens()
            return done

        return called


def put_again(world: World, key: str, of: str = "staying") -> None:
    """The bytes of one of the two, under another key."""
    target = world.ingest.scratch / "again"
    world.store.fetch("audio", KEYS[of][0], target)
    world.store.put_file("audio", key, target, "audio/wav")


def rejected(world: World, key: str) -> list[tuple[object, ...]]:
    return world.rows("SELECT state, code, recording_id FROM stored_object WHERE key = :key", key=key)


REFUSED = [("rejected", "erased", None)]


def test_erased_bytes_that_are_put_again_are_refused_until_somebody_lets_them_in(world: World) -> None:
    one = world.recording("staying")
    put_again(world, copy := f"{NAME}/copy.wav")
    with world.database.begin() as tx:
        attributes.put(tx, NAME, {copy: {"of": one.words}})
    erased = erase(world, one)
    world.look()
    assert rejected(world, copy) == REFUSED
    assert (
        world.rows("SELECT count(*) FROM object_attributes") == world.rows("SELECT count(*) FROM recording") == [(0,)]
    )
    with world.database.begin() as tx:
        assert attributes.put(tx, NAME, {copy: {"of": one.words}}) == 0
    world.work_off()
    world.sweep()
    assert finished(world, erased)
    assert world.blobs() == set()  # what it had been decoded to

    with world.database.begin() as tx:
        tombstones.lift(tx, NAME, one.recording_id)
    world.look()
    assert rejected(world, copy) == [("registered", None, one.recording_id)]


def test_nobody_lets_bytes_in_whose_erasure_goes_on(world: World) -> None:
    one = world.recording("staying")
    erased = erase(world, one)
    with pytest.raises(tombstones.StillErasing), world.database.begin() as tx:
        tombstones.lift(tx, NAME, one.recording_id)
    world.work_off()
    assert finished(world, erased)
    with world.database.begin() as tx:
        tombstones.lift(tx, NAME, one.recording_id)


def test_a_file_that_is_being_decoded_while_its_bytes_are_erased_is_refused(world: World) -> None:
    one = world.recording("staying")
    put_again(world, copy := f"{NAME}/copy.wav")
    object.__setattr__(world.ingest, "decoder", Meanwhile(world.decoder, "decode", lambda: erase(world, one)))
    world.look()
    assert rejected(world, copy) == REFUSED
    assert world.rows("SELECT recording_id FROM recording") == []


def test_a_worker_of_an_older_version_brings_nothing_back(world: World) -> None:
    one = world.recording("staying")
    put_again(world, copy := f"{NAME}/copy.wav")
    erase(world, one)
    with pytest.MonkeyPatch.context() as patch:  # which knew no tombstones
        patch.setattr(refusing, "without_erased", lambda _commit, results: results)
        world.looker.sweep()
        world.work("ingest.register")
    assert world.rows("SELECT count(*) FROM recording") == [(0,)]
    world.look()
    assert rejected(world, copy) == REFUSED
    failures = "SELECT attempt, error_code FROM delivery WHERE subscription = 'ingest.register'"
    assert world.rows(failures) == []


def test_an_erasure_waits_for_a_commit_that_registers_the_bytes_and_takes_it_along(world: World) -> None:
    one = world.recording("staying")
    put_again(world, copy := f"{NAME}/copy.wav")
    erased = threading.Event()
    eraser = threading.Thread(target=lambda: (erase(world, one), erased.set()))

    def begin_to_erase() -> None:
        eraser.start()
        assert not erased.wait(0.5)

    original = tombstones.hold

    def hold(tx: Transaction, subject_ids: Sequence[UUID]) -> set[UUID]:
        found = original(tx, subject_ids)
        begin_to_erase()
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tombstones, "hold", hold)
        world.look()
    eraser.join(30)
    assert erased.is_set()
    assert rejected(world, copy) == REFUSED  # an original of it by then, which is deleted with the others
    world.work_off()
    assert world.objects() == set()
    assert world.rows("SELECT count(*) FROM stored_object") == [(0,)]


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


def test_a_subset_that_is_drawn_meanwhile_is_not_written(world: World) -> None:
    one = world.recording("staying")
    drawn: list[str] = []

    def draw() -> None:
        try:
            with world.database.begin() as tx:
                subsets.create(tx, NAME, "pilot", Wanted())
                drawn.append("there")
        except GoneMeanwhile:
            drawn.append("refused")

    with world.database.begin() as tx:
        erasure.erase_recordings(tx, NAME, [one.recording_id], "test")
        thread = threading.Thread(target=draw)
        thread.start()
        thread.join(0.5)
        assert not drawn
    thread.join(30)
    assert drawn == ["refused"]
    assert world.rows("SELECT count(*) FROM subset_member") == [(0,)]


@pytest.fixture
def workshop(settings: Settings, database: Database) -> Iterator[Workshop]:
    workshop = Workshop(settings, database, two_encoders())
    yield workshop
    workshop.fetching.shutdown()
    workshop.folder.cleanup()


def test_vectors_that_come_late_are_not_written(workshop: Workshop) -> None:
    doomed, staying = workshop.recording(), workshop.recording()
    backfill_id = workshop.backfill("other")

    def erased_meanwhile() -> None:
        workshop.encoders[FIRST].before = lambda: None
        with workshop.database.begin() as tx:
            erasure.erase_recordings(tx, COLLECTION, [doomed], "test")

    workshop.work("embedder.enlist")
    workshop.encoders[FIRST].before = erased_meanwhile
    workshop.work_off()
    query = "SELECT DISTINCT recording_id FROM embedding"
    assert workshop.rows(query) == [(staying,)]
    query = "SELECT DISTINCT data->>'recording_id' FROM event WHERE type LIKE '%embedded%'"
    assert workshop.rows(query) == [(str(staying),)]
    assert workshop.rows("SELECT DISTINCT recording_id FROM recording_progress") == [(staying,)]
    assert workshop.state(backfill_id).state == "done"  # it waits for nobody who is erased


def test_an_erasure_that_is_interrupted_goes_on(world: World) -> None:
    one = world.recording("doomed")

    def break_off() -> None:
        raise ObjectStoreUnavailable("after the first of two objects")

    erased = erase(world, one)
    object.__setattr__(world.ingest, "objects", Meanwhile(world.store, "delete", break_off))
    world.work("ingest.erase")
    assert len(world.objects()) == 1
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


def test_a_key_that_holds_other_bytes_by_now_keeps_them(world: World) -> None:
    one = world.recording("doomed")
    erased = erase(world, one)
    other = world.ingest.scratch / "other"
    other.write_bytes(b"something else")
    world.store.put_file("audio", one.keys[0], other, "audio/wav")
    world.work_off()
    assert finished(world, erased)
    assert world.objects() == {one.keys[0]}
    world.look()
    assert [code for _, code, _ in rejected(world, one.keys[0])] not in ([], ["erased"])


def test_what_a_recording_of_another_collection_needs_is_kept(world: World) -> None:
    one = world.recording("staying")
    with world.database.begin() as tx:
        collections.create(tx, "other", "whole", ("spectral",))
    put_again(world, elsewhere := "other/giraffe.wav")
    world.look()
    receipt = erase(world, one).receipt
    world.work_off()
    world.sweep()
    assert receipt.audio_kept == [elsewhere]
    assert world.objects() == {elsewhere}
    assert len(world.blobs()) == 1
    ((recording_id,),) = world.rows("SELECT recording_id FROM recording")
    with world.database.begin() as tx:
        assert recordings.audio_sources(tx, [recording_id], "derived")[recording_id].key in world.blobs()


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


def test_a_copy_that_waits_to_be_read_while_its_bytes_are_erased_is_erased_too(world: World) -> None:
    one = world.recording("staying")
    put_again(world, copy := f"{NAME}/copy.wav")
    world.looker.sweep()  # seen, and not read yet
    first = erase(world, one)
    world.work("ingest.erase")
    world.work_off()
    assert finished(world, first)
    assert world.rows("SELECT actor, erased FROM erasure WHERE finished_at IS NOT NULL AND actor <> 'test'") == [
        ("ingest", {"originals": 1})
    ]
    assert world.objects() == set()
    assert everywhere(world.database, copy) == {}


def test_a_second_look_at_what_is_let_in_again_leaves_the_others_refused(world: World) -> None:
    staying, doomed = world.recording("staying"), world.recording("doomed")
    files = {name: world.ingest.scratch / name for name in KEYS}
    for name, path in files.items():
        world.store.fetch("audio", KEYS[name][0], path)
    erase(world, staying, doomed)
    world.work_off()
    for name, path in files.items():
        world.store.put_file("audio", f"{NAME}/{name}", path, "audio/wav")
    world.look()
    with world.database.begin() as tx:
        tombstones.lift(tx, NAME, staying.recording_id)
    assert world.rows("SELECT key FROM stored_object WHERE etag = ''") == [(f"{NAME}/staying",)]


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
        assert not erased.wait(0.5)
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
