"""Bytes that were erased, or are being erased, and lie in the bucket again: refused until somebody lets them in."""

import threading
from collections.abc import Sequence
from uuid import UUID

import pytest

from services.ingest import refusing
from shared.storage import (
    attributes,
    collections,
    erasure,
    recordings,
    tombstones,
)
from shared.storage.database import Transaction
from tests.integration.erasure.racing import REFUSED, Meanwhile, let_time_pass, put_again, rejected
from tests.integration.erasure.test_nothing_is_left import erase, finished
from tests.integration.erasure.world import KEYS, NAME, World
from tests.support.locks import WAITING
from tests.support.stack import until
from tests.support.traces import everywhere


def test_erased_bytes_that_are_put_again_are_refused_until_somebody_lets_them_in(world: World) -> None:
    one = world.recording("staying")
    copy, path = f"{NAME}/copy.wav", world.ingest.scratch / "copy"
    world.store.fetch("audio", one.keys[0], path)
    with world.database.begin() as tx:
        attributes.put(tx, NAME, {copy: {"of": one.words}})
    erased = erase(world, one)
    let_time_pass(world)
    world.store.put_file("audio", copy, path, "audio/wav")
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
        until(lambda: world.rows(WAITING))
        assert not erased.is_set()

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


def put_elsewhere(world: World) -> str:
    """The same bytes, in another collection; returns their key."""
    with world.database.begin() as tx:
        collections.create(tx, "other", "whole", ("spectral",))
    put_again(world, key := "other/giraffe.wav")
    world.look()
    return key


def test_what_a_recording_of_another_collection_needs_is_kept(world: World) -> None:
    one = world.recording("staying")
    elsewhere = put_elsewhere(world)
    receipt = erase(world, one).receipt
    world.work_off()
    world.sweep()
    assert receipt.audio_kept == [elsewhere]
    assert world.objects() == {elsewhere}
    assert len(world.blobs()) == 1
    ((recording_id,),) = world.rows("SELECT recording_id FROM recording")
    with world.database.begin() as tx:
        assert recordings.audio_sources(tx, [recording_id], "derived")[recording_id].key in world.blobs()


def test_a_voice_is_named_in_all_copies_of_what_it_was_heard_in(world: World) -> None:
    one = world.recording("staying")
    elsewhere = put_elsewhere(world)
    with world.database.begin() as tx:
        receipt = erasure.erase_speaker(tx, "Ada", "test").receipt
    assert receipt.audio_kept == sorted({elsewhere, *one.keys})


@pytest.mark.parametrize("is_seen", [True, False], ids=["seen", "not seen yet"])
def test_a_copy_that_was_put_before_its_bytes_were_erased_is_erased_when_it_is_read(
    world: World, *, is_seen: bool
) -> None:
    one = world.recording("staying")
    put_again(world, copy := f"{NAME}/copy.wav")
    if is_seen:
        world.looker.sweep()
    first = erase(world, one)
    world.work("ingest.erase")
    world.look()
    world.work_off()
    assert finished(world, first)
    assert erased_late(world) == [("ingest", {"originals": 1})]
    assert world.objects() == set()
    assert everywhere(world.database, copy) == {}


def erased_late(world: World) -> list[tuple[object, ...]]:
    return world.rows("SELECT actor, erased FROM erasure WHERE finished_at IS NOT NULL AND actor <> 'test'")


def test_what_is_put_after_an_erasure_stays_refused(world: World) -> None:
    one = world.recording("staying")
    path = world.ingest.scratch / "copy"
    world.store.fetch("audio", one.keys[0], path)
    erase(world, one)
    world.work_off()
    let_time_pass(world)
    world.store.put_file("audio", one.keys[0], path, "audio/wav")
    world.look()
    world.work_off()
    assert rejected(world, one.keys[0]) == REFUSED
    assert erased_late(world) == []
    assert world.objects() == {one.keys[0]}


def test_a_key_that_is_found_gone_after_its_recording_was_erased_is_forgotten(world: World) -> None:
    one = world.recording("staying")
    put_again(world, one.gone)
    world.look()
    with world.database.begin() as tx:
        attributes.put(tx, NAME, {one.gone: {"of": one.words}})
    path = world.ingest.scratch / "other"
    path.write_bytes(b"other bytes")
    world.store.put_file("audio", one.gone, path, "audio/wav")
    world.looker.sweep()
    world.store.delete("audio", one.gone)
    first = erase(world, one)
    world.work_off()
    assert finished(world, first)
    assert erased_late(world) == [("ingest", {"originals": 0})]
    for left in (one.gone, one.words):
        assert everywhere(world.database, left) == {}, left


def test_a_key_that_holds_another_recording_by_now_keeps_its_words(world: World) -> None:
    one, other = world.recording("staying"), world.recording("doomed")
    put_again(world, key := f"{NAME}/both.wav")
    world.look()
    put_again(world, key, "doomed")
    world.look()
    with world.database.begin() as tx:
        attributes.put(tx, NAME, {key: {"of": other.words}})
    erased = erase(world, one)
    world.work_off()
    assert finished(world, erased)
    assert rejected(world, key) == [("registered", None, other.recording_id)]
    assert everywhere(world.database, other.words)["object_attributes"] == 1
    assert key in world.objects()


def test_a_second_look_at_what_is_let_in_again_leaves_the_others_refused(world: World) -> None:
    staying, doomed = world.recording("staying"), world.recording("doomed")
    files = {name: world.ingest.scratch / name for name in KEYS}
    for name, path in files.items():
        world.store.fetch("audio", KEYS[name][0], path)
    erase(world, staying, doomed)
    world.work_off()
    let_time_pass(world)
    for name, path in files.items():
        world.store.put_file("audio", f"{NAME}/{name}", path, "audio/wav")
    world.look()
    with world.database.begin() as tx:
        tombstones.lift(tx, NAME, staying.recording_id)
    assert world.rows("SELECT key FROM stored_object WHERE etag = ''") == [(f"{NAME}/staying",)]
