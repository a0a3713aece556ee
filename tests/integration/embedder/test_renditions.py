"""Encoders that want another rate than 16 kHz: recordings are decoded again from their originals, on real servers."""

from pathlib import Path

import numpy as np
import pytest

from services.embedder import renditions
from services.embedder.blobs import RenditionMissing
from shared.storage import recordings
from tests.integration.embedder.rendering import (
    HIGH_HZ,
    RATE_HZ,
    WIDE,
    Heard,
    created,
    original,
    rendition_key,
    requested,
    waiting,
    work_off,
)
from tests.integration.embedder.working import COLLECTION, FIRST, Workshop

pytestmark = pytest.mark.usefixtures("decoding")


def test_a_recording_waits_for_its_rendition_and_is_heard_at_that_rate(workshop: Workshop, wide: Heard) -> None:
    own = original(workshop)
    backfill_id = workshop.backfill(WIDE)
    workshop.work("embedder.enlist")
    workshop.work("embedder.backfill")
    assert requested(workshop) == [(str(own), str(RATE_HZ))]
    assert waiting(workshop, "embedder.backfill") == [("pending", 0, "rendition_missing")]
    workshop.work("embedder.backfill")  # too early: it comes back, and asks no second time
    assert len(requested(workshop)) == 1

    work_off(workshop)
    assert workshop.state(backfill_id).done == 2
    assert len(workshop.vectors(WIDE)) == 2
    assert [clip.size for clip in wide.clips] == [RATE_HZ, RATE_HZ]
    assert np.abs(np.fft.rfft(wide.clips[1])).argmax() == HIGH_HZ


def test_each_encoder_of_a_new_recording_hears_its_own_rate(workshop: Workshop, wide: Heard) -> None:
    narrow = Heard(workshop.encoders[FIRST].spec)
    workshop.offer(narrow)
    own = original(workshop)
    segment_ids = created(workshop, own, FIRST, WIDE)
    work_off(workshop)
    assert [clip.size for clip in narrow.clips] == [16_000, 16_000]
    assert [clip.size for clip in wide.clips] == [RATE_HZ, RATE_HZ]
    assert set(workshop.vectors(FIRST)) == set(workshop.vectors(WIDE)) == set(segment_ids)


def test_what_is_there_is_not_made_again(workshop: Workshop, wide: Heard) -> None:
    own = original(workshop)
    workshop.backfill(WIDE)
    work_off(workshop)
    bucket = workshop.settings.s3.derived_bucket
    before = workshop.store.stat(bucket, rendition_key(workshop))
    with workshop.database.begin() as tx:
        source = recordings.audio_sources(tx, [own], bucket)[own]
        tx.exec_driver_sql("UPDATE rendition SET n_samples = 1")
    workshop.say(*renditions.requests(RenditionMissing((RATE_HZ,)), source, COLLECTION))
    work_off(workshop)
    assert workshop.store.stat(bucket, rendition_key(workshop)) == before
    assert workshop.rows("SELECT n_samples FROM rendition") == [(1,)]


def test_a_rendition_whose_bytes_are_lost_is_made_again(workshop: Workshop, wide: Heard) -> None:
    original(workshop)
    workshop.backfill(WIDE)
    work_off(workshop)
    workshop.store.delete(workshop.settings.s3.derived_bucket, rendition_key(workshop))
    workshop.backfill(WIDE, everything=True)
    work_off(workshop)
    assert [clip.size for clip in wide.clips] == [RATE_HZ] * 4
    assert len(requested(workshop)) == 2


def test_mono_audio_that_is_lost_is_made_again_from_the_original(workshop: Workshop) -> None:
    own = original(workshop)
    created(workshop, own, FIRST)
    workshop.store.delete(workshop.settings.s3.derived_bucket, f"{own}.flac")
    work_off(workshop)
    assert set(workshop.vectors(FIRST)) == set(workshop.segment_ids(own))
    assert workshop.rows("SELECT data->>'key' FROM event WHERE type LIKE '%object.seen%'") == [(f"{COLLECTION}/a.wav",)]


def test_a_backfill_does_without_a_recording_whose_original_is_gone(workshop: Workshop, wide: Heard) -> None:
    gone = workshop.recording(3, announced=False)  # it lies under no key
    with workshop.database.begin() as tx:
        tx.exec_driver_sql("UPDATE recording SET state = 'ready'")  # or it would be forgotten
    own = original(workshop)
    backfill_id = workshop.backfill(WIDE)
    work_off(workshop)
    state = workshop.state(backfill_id)
    assert (state.state, state.done, state.unreadable) == ("done", 5, 3)
    assert requested(workshop) == [(str(own), str(RATE_HZ))]
    assert not set(workshop.segment_ids(gone)) & set(workshop.vectors(WIDE))


def test_an_original_that_was_overwritten_is_looked_at_again(workshop: Workshop, wide: Heard, tmp_path: Path) -> None:
    original(workshop)
    (tmp_path / "other").write_bytes(b"other bytes")
    workshop.store.put_file(workshop.settings.s3.audio_bucket, f"{COLLECTION}/a.wav", tmp_path / "other", "audio/wav")
    workshop.backfill(WIDE)
    for name in ("embedder.enlist", "embedder.backfill", "ingest.render"):
        workshop.work(name)
    assert waiting(workshop, "ingest.render") == [("pending", 0, "audio_gone")]
    assert workshop.rows("SELECT data->>'key' FROM event WHERE type LIKE '%object.seen%'") == [(f"{COLLECTION}/a.wav",)]


def test_a_recording_that_is_forgotten_takes_its_renditions_along(workshop: Workshop, wide: Heard) -> None:
    own = original(workshop)
    workshop.backfill(WIDE)
    work_off(workshop)
    assert workshop.rows("SELECT recording_id FROM rendition") == [(own,)]
    with workshop.database.begin() as tx:
        tx.exec_driver_sql("DELETE FROM recording")
    assert workshop.rows("SELECT * FROM rendition") == []
