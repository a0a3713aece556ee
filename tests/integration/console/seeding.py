"""The collection `meetings`: three recordings, five segments, two clusters, a rejected file and one just seen."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
import soundfile

from shared import ids
from shared.settings import Settings
from shared.storage import clusters, collections, embeddings, encoders, recordings, segments
from shared.storage.clusters import NewCluster
from shared.storage.database import Database
from shared.storage.objects import ObjectStore
from shared.storage.recordings import NewRecording, Outcome, SeenObject
from shared.storage.segments import Cut, NewSegment

NAME = "meetings"
DIMENSION = 4
UNSPOKEN = "meetings/z/silence.wav"


@dataclass(frozen=True)
class Meetings:
    """Ids of what was seeded; recording `ghost` lies under no key any more."""

    monday: UUID
    tuesday: UUID
    silence: UUID
    ghost: UUID
    segment_ids: dict[str, UUID]
    pcm: np.ndarray  # of monday: ten seconds, int16

    @property
    def exported(self) -> list[UUID]:
        """In the order of object key and start."""
        return [self.segment_ids[name] for name in ("m1", "m2", "m3", "t1", "t2")]


SPANS = {
    "m1": (0, 16_000),
    "m2": (16_000, 56_000),
    "m3": (80_001, 160_000),
    "t1": (0, 32_000),
    "t2": (40_000, 72_000),
}
_VECTORS = {"m1": (1, 0, 0, 0), "m2": (0.8, 0.6, 0, 0), "t1": (1, 0, 0, 0), "m3": (0, 0, 1, 0), "t2": (0, 0, 0.6, 0.8)}


def seed(database: Database, store: ObjectStore, settings: Settings) -> Meetings:
    pcm = np.random.default_rng(11).integers(-32768, 32768, 160_000, dtype=np.int16)
    monday, tuesday, silence, ghost = (ids.recording_id(NAME, name) for name in ("m", "t", "s", "g"))
    _store_audio(store, settings, "derived/m.flac", pcm)
    with database.begin() as tx:
        encoders.announce_segmenter(tx, "vad", {"revision": "1"})
        encoders.announce_segmenter(tx, "whole", {"revision": "1"})
        tiny = encoders.announce_encoder(
            tx, "tiny", "tiny@1:last:mean", DIMENSION, {"revision": "1", "assign_threshold": 0.9}
        )
        collections.create(tx, NAME, "vad", ("tiny",))
        places = {
            "meetings/a monday/ü.wav": monday,
            "meetings/z/copy.wav": monday,
            "meetings/b/tuesday.wav": tuesday,
            UNSPOKEN: silence,
            "meetings/notes.txt": None,
            "meetings/late.wav": None,
        }
        objects = [SeenObject(ids.object_id("audio", key), NAME, "audio", key, f"etag-{key}", 1000) for key in places]
        recordings.see(tx, objects)
        found = ((monday, "m", 160_000), (tuesday, "t", 80_000), (silence, "s", 16_000), (ghost, "g", 16_000))
        recordings.register(
            tx,
            [NewRecording(r, NAME, sha, n, f"derived/{sha}.flac", {"codec": "pcm_s16le"}) for r, sha, n in found],
        )
        outcomes = [
            Outcome(ids.object_id("audio", key), f"etag-{key}", f"etag-{key}", recording_id=recording)
            for key, recording in places.items()
            if recording
        ]
        key = "meetings/notes.txt"
        outcomes.append(
            Outcome(ids.object_id("audio", key), f"etag-{key}", f"etag-{key}", code="no_audio", reason="It is <text>.")
        )
        recordings.settle(tx, outcomes)
        names = _cut(tx, monday, tuesday, silence, ghost)
        recordings.mark_ready(tx, [silence])
        order = [names[name] for name in _VECTORS]
        embeddings.write(tx, tiny, order, np.array(list(_VECTORS.values()), np.float32))
        one, other = [names[n] for n in ("m1", "m2", "t1")], [names[n] for n in ("m3", "t2")]
        clusters.write_generation(
            tx,
            NAME,
            "tiny",
            [
                NewCluster(ids.new_id(), tuple(one), (1.0, 0.9, 1.0), 2, 0.95, names["m1"]),
                NewCluster(ids.new_id(), tuple(other), (1.0, 0.7), 2, 0.8, names["m3"]),
            ],
        )
    return Meetings(monday, tuesday, silence, ghost, names, pcm)


def _cut(tx, monday: UUID, tuesday: UUID, silence: UUID, ghost: UUID) -> dict[str, UUID]:
    source = "vad@1"
    names = {
        name: ids.segment_id(monday if name.startswith("m") else tuesday, source, *span) for name, span in SPANS.items()
    }

    def cut(recording: UUID, wanted: str) -> Cut:
        new = tuple(
            NewSegment(
                names[n],
                *SPANS[n],
                text="Hello, “you”." if n == "t2" else None,
                speaker_label="UNKNOWN" if n == "t2" else None,
            )
            for n in SPANS
            if wanted and n.startswith(wanted)
        )
        return Cut(recording, NAME, source, new, ("tiny",))

    lost = NewSegment(ids.segment_id(ghost, source, 0, 16_000), 0, 16_000)
    segments.write_cuts(
        tx, [cut(monday, "m"), cut(tuesday, "t"), cut(silence, ""), Cut(ghost, NAME, source, (lost,), ("tiny",))]
    )
    return names


def _store_audio(store: ObjectStore, settings: Settings, key: str, pcm: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audio.flac"
        soundfile.write(path, pcm, 16_000, subtype="PCM_16")
        store.put_file(settings.s3.derived_bucket, key, path, "audio/flac")
