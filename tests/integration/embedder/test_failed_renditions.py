"""What cannot be made at the rate that an encoder wants keeps nobody waiting, on real servers."""

import pytest

from services.ingest.decode.errors import Corrupt, DecodeMemory, DecoderCrashed, DecodeTimeout
from shared.storage import renditions
from shared.storage.objects import ObjectStoreUnavailable
from shared.storage.renditions import Failure, Rendition
from tests.integration.embedder.rendering import (
    RATE_HZ,
    WIDE,
    Failing,
    Heard,
    created,
    original,
    rendition_key,
    waiting,
    work_off,
)
from tests.integration.embedder.working import COLLECTION, FIRST, Workshop


def why_not(workshop: Workshop, encoder: str = WIDE) -> list[str]:
    return [code for (code,) in workshop.rows("SELECT code FROM unembeddable WHERE encoder = :name", name=encoder)]


def test_a_backfill_does_without_a_recording_that_cannot_be_decoded(
    workshop: Workshop, wide: Heard, decoding: Failing
) -> None:
    original(workshop)
    decoding.error = DecoderCrashed()
    backfill_id = workshop.backfill(WIDE)
    work_off(workshop)
    state = workshop.state(backfill_id)
    assert (state.state, state.done, state.unreadable, state.without_voice) == ("done", 2, 2, 0)
    assert state.reasons == {"not_rendered": 2}
    assert workshop.progress(WIDE) == {(2, 0, 2)}
    assert waiting(workshop, "ingest.render") == []
    assert workshop.rows("SELECT key, code FROM rendition") == [(None, "decoder_crashed")]


@pytest.mark.parametrize("error", [DecodeTimeout, DecodeMemory, DecoderCrashed])
def test_what_may_be_the_machines_fault_is_tried_again_and_counted(
    workshop: Workshop, wide: Heard, decoding: Failing, error: type[Exception]
) -> None:
    original(workshop)
    decoding.error = error()
    backfill_id = workshop.backfill(WIDE)
    for name in ("embedder.enlist", "embedder.backfill", "ingest.render"):
        workshop.work(name)
    assert waiting(workshop, "ingest.render") == [("pending", 1, "rendering_failed")]
    assert workshop.rows("SELECT code FROM rendition") == []
    decoding.error = None
    work_off(workshop)
    assert (len(workshop.vectors(WIDE)), workshop.state(backfill_id).unreadable) == (2, 0)


def test_a_file_that_is_at_fault_is_tried_once(workshop: Workshop, wide: Heard, decoding: Failing) -> None:
    original(workshop)
    decoding.error = Corrupt()
    workshop.backfill(WIDE)
    for name in ("embedder.enlist", "embedder.backfill", "ingest.render"):
        workshop.work(name)
    assert waiting(workshop, "ingest.render") == []
    assert workshop.rows("SELECT code FROM rendition") == [("corrupt",)]


def test_what_was_answered_before_the_last_attempt_is_taken_back_if_it_is_not_the_last(
    workshop: Workshop, wide: Heard, decoding: Failing
) -> None:
    original(workshop)
    workshop.backfill(WIDE)
    workshop.work("embedder.enlist")
    workshop.work("embedder.backfill")
    with workshop.database.begin() as tx:  # four workers were killed over it
        tx.exec_driver_sql("UPDATE delivery SET attempt = 4 WHERE subscription = 'ingest.render'")
    decoding.error = ObjectStoreUnavailable()
    workshop.work("ingest.render")
    decoding.error = None
    workshop.work("embedder.backfill")  # comes back first
    work_off(workshop)
    assert (len(workshop.vectors(WIDE)), why_not(workshop)) == (2, [])


def test_a_late_failure_leaves_what_was_made_meanwhile(workshop: Workshop) -> None:
    own = original(workshop)
    with workshop.database.begin() as tx:
        renditions.write(tx, [Rendition(own, RATE_HZ, "renditions/1/44100/made.flac", 88_200)])
    with workshop.database.begin() as tx:
        renditions.fail(tx, [Failure(own, RATE_HZ, "decode_timeout", "It was given up after 30 s.")])
    assert workshop.rows("SELECT key, code FROM rendition") == [("renditions/1/44100/made.flac", None)]


def test_a_backfill_does_without_a_recording_that_kills_whoever_decodes_it(
    workshop: Workshop, wide: Heard, decoding: Failing
) -> None:
    original(workshop)
    decoding.error = MemoryError()
    backfill_id = workshop.backfill(WIDE)
    work_off(workshop)
    assert (workshop.state(backfill_id).state, why_not(workshop)) == ("done", ["not_rendered"] * 2)
    assert waiting(workshop, "ingest.render") == [("dead", 5, "MemoryError")]


def test_a_backfill_does_without_a_recording_whose_original_goes_meanwhile(
    workshop: Workshop, wide: Heard, decoding: Failing
) -> None:
    original(workshop)
    with workshop.database.begin() as tx:
        tx.exec_driver_sql("UPDATE recording SET state = 'ready'")  # or it would be forgotten
    backfill_id = workshop.backfill(WIDE)
    workshop.work("embedder.enlist")
    workshop.work("embedder.backfill")
    workshop.store.delete(workshop.settings.s3.audio_bucket, f"{COLLECTION}/a.wav")
    work_off(workshop)
    state = workshop.state(backfill_id)
    assert (state.state, state.unreadable, state.reasons) == ("done", 2, {"original_gone": 2})


def test_the_other_encoders_of_a_new_recording_do_not_wait_for_what_cannot_be_made(
    workshop: Workshop, wide: Heard, decoding: Failing
) -> None:
    own = original(workshop)
    decoding.error = DecoderCrashed()
    segment_ids = created(workshop, own, FIRST, WIDE)
    work_off(workshop)
    assert set(workshop.vectors(FIRST)) == set(segment_ids)
    assert why_not(workshop) == ["not_rendered"] * 2
    assert workshop.rows("SELECT state FROM recording") == [("ready",)]


def test_the_next_backfill_tries_again_what_could_not_be_made(
    workshop: Workshop, wide: Heard, decoding: Failing
) -> None:
    original(workshop)
    decoding.error = DecoderCrashed()
    workshop.backfill(WIDE)
    work_off(workshop)
    decoding.error = None
    backfill_id = workshop.backfill(WIDE)
    work_off(workshop)
    assert len(workshop.vectors(WIDE)) == 2
    assert (why_not(workshop), workshop.state(backfill_id).reasons) == ([], {})


def test_vectors_that_are_there_are_not_lost_to_a_rendition_that_cannot_be_made_again(
    workshop: Workshop, wide: Heard, decoding: Failing
) -> None:
    original(workshop)
    workshop.backfill(WIDE)
    work_off(workshop)
    workshop.store.delete(workshop.settings.s3.derived_bucket, rendition_key(workshop))
    decoding.error = DecoderCrashed()
    backfill_id = workshop.backfill(WIDE, everything=True)
    work_off(workshop)
    assert workshop.state(backfill_id).state == "done"
    assert (len(workshop.vectors(WIDE)), why_not(workshop)) == (2, [])


def test_a_rendition_that_nobody_works_at_any_more_is_asked_for_again(
    workshop: Workshop, wide: Heard, decoding: Failing
) -> None:
    original(workshop)
    backfill_id = workshop.backfill(WIDE)
    workshop.work("embedder.enlist")
    workshop.work("embedder.backfill")
    with workshop.database.begin() as tx:
        tx.exec_driver_sql("DELETE FROM delivery WHERE subscription = 'ingest.render'")  # dropped by hand
    work_off(workshop)
    assert workshop.state(backfill_id).done == 2
