"""Recordings whose originals hold more than 16 kHz tell, an encoder that wants it, and ingest that decodes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import soundfile

from services.ingest.decode.facts import DecodedFacts
from services.ingest.decode.sandbox import Decoder
from shared import ids
from shared.events import SegmentsCreated
from shared.storage import recordings, segments
from shared.storage.recordings import NewRecording, Outcome, SeenObject
from shared.storage.segments import Cut
from tests.integration.embedder import working
from tests.integration.embedder.working import COLLECTION, FIRST, Turned, Workshop, spans

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


@dataclass
class Failing:
    """A decoder that raises what it is told to, and decodes when it is told nothing."""

    inner: Decoder
    error: Exception | None = None

    def decode(self, *arguments: object) -> DecodedFacts:
        if self.error:
            raise self.error
        return self.inner.decode(*arguments)


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


def created(workshop: Workshop, own: UUID, *encoders: str) -> tuple[UUID, ...]:
    """Announce the segments of a new recording, of which those encoders are to make vectors."""
    segment_ids = tuple(workshop.segment_ids(own))
    with workshop.database.begin() as tx:
        tx.exec_driver_sql(f"UPDATE collection SET encoders = '{{{','.join(encoders)}}}'")
    workshop.say(
        SegmentsCreated(
            recording_id=own, collection=COLLECTION, segmenter="whole@1", segment_ids=segment_ids, duration_s=2
        )
    )
    return segment_ids
