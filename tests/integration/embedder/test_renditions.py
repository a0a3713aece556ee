"""Encoders that want another rate than 16 kHz: recordings are decoded again from their originals, on real servers."""

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import soundfile

from services.embedder import renditions
from services.embedder.blobs import RenditionMissing
from services.ingest import handlers
from services.ingest.decode.limits import DecodeLimits
from services.ingest.decode.sandbox import Decoder
from services.ingest.ports import Ingest
from shared import ids
from shared.events import SegmentsCreated
from shared.settings import Settings
from shared.storage import recordings, segments
from shared.storage.recordings import NewRecording, Outcome, SeenObject
from shared.storage.segments import Cut
from tests.integration.embedder import working
from tests.integration.embedder.working import COLLECTION, FIRST, SECOND, Turned, Workshop, spans

RATE_HZ = 44_100
HIGH_HZ = 11_000  # which no audio at 16 kHz holds
WIDE = "wide"


@dataclass
class Heard(Turned):
    """Keeps what it is given."""

    clips: tuple[np.ndarray, ...] = ()

    def embed(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        self.clips += tuple(clips)
        return super().embed(clips)


@pytest.fixture
def wide(workshop: Workshop) -> Heard:
    """An encoder that wants 44.1 kHz."""
    encoder = Heard(replace(workshop.encoders[SECOND].spec, name=WIDE, sample_rate_hz=RATE_HZ))
    workshop.offer(encoder)
    return encoder


@pytest.fixture(autouse=True)
def ingest(workshop: Workshop, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hears its subscription beside the embedder's."""
    with Decoder(DecodeLimits()) as decoder, ThreadPoolExecutor(1) as threads, tempfile.TemporaryDirectory() as folder:
        tools = Ingest(settings, workshop.store, decoder, lambda _: None, threads, Path(folder))
        own = {"ingest.render": lambda work, _: handlers.render(work, tools)}
        monkeypatch.setattr(working, "HANDLERS", {**working.HANDLERS, **own})
        yield


def original(workshop: Workshop, n_segments: int = 2) -> UUID:
    """A recording cut into seconds, under a key with an original of 44.1 kHz."""
    store, s3 = workshop.store, workshop.settings.s3
    key, path = f"{COLLECTION}/a.wav", Path(workshop.folder.name) / "audio"
    times_s = np.arange(n_segments * RATE_HZ) / RATE_HZ
    high = 0.3 * np.sin(2 * np.pi * HIGH_HZ * times_s)
    soundfile.write(path, high, RATE_HZ, format="wav")
    store.put_file(s3.audio_bucket, key, path, "audio/wav")
    fetched = store.fetch(s3.audio_bucket, key, path)
    own = ids.recording_id(COLLECTION, fetched.sha256)
    soundfile.write(path, np.random.default_rng(3).normal(0, 0.1, n_segments * 16_000), 16_000, format="flac")
    store.put_file(s3.derived_bucket, f"{own}.flac", path, "audio/flac")
    object_id = ids.object_id(s3.audio_bucket, key)
    with workshop.database.begin() as tx:
        recordings.see(tx, [SeenObject(object_id, COLLECTION, s3.audio_bucket, key, fetched.etag, 1)])
        new = NewRecording(own, COLLECTION, fetched.sha256, n_segments * 16_000, f"{own}.flac", {"peak": 0.5})
        recordings.register(tx, [new])
        recordings.settle(tx, [Outcome(object_id, fetched.etag, fetched.etag, own)])
        segments.write_cuts(tx, [Cut(own, COLLECTION, "whole@1", spans(n_segments), (FIRST,))])
    return own


def requested(workshop: Workshop) -> list[tuple[object, ...]]:
    query = "SELECT data->>'recording_id', data->>'sample_rate_hz' FROM event WHERE type LIKE '%rendition.requested%'"
    return workshop.rows(query)


def waiting(workshop: Workshop, subscription: str) -> list[tuple[object, ...]]:
    query = "SELECT state, attempt, error_code FROM delivery WHERE subscription = :name"
    return workshop.rows(query, name=subscription)


def work_off(workshop: Workshop) -> None:
    """Everything that is pending, what comes back too."""
    for _ in range(20):
        if not sum(workshop.work(name) for name in working.HANDLERS):
            return
    pytest.fail("It does not end.")


def rendition_key(workshop: Workshop) -> str:
    [(key,)] = workshop.rows("SELECT key FROM rendition")
    return str(key)


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
    segment_ids = tuple(workshop.segment_ids(own))
    with workshop.database.begin() as tx:
        tx.exec_driver_sql(f"UPDATE collection SET encoders = '{{{FIRST},{WIDE}}}'")
    workshop.say(
        SegmentsCreated(
            recording_id=own, collection=COLLECTION, segmenter="whole@1", segment_ids=segment_ids, duration_s=2
        )
    )
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
