"""Two recordings of one voice, about which every table that can says something; real objects, real events."""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import soundfile
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from services.clusterer import handlers as clusterer
from services.embedder import handlers as embedder
from services.ingest import erasing, handlers
from services.ingest.decode.limits import DecodeLimits
from services.ingest.decode.sandbox import Decoder
from services.ingest.decoded import derived_key, rendition_key
from services.ingest.looking import Looker
from services.ingest.ports import Ingest
from services.ingest.segmenters import registry
from shared import ids
from shared.encoders import registry as of_encoders
from shared.events import Event, LabelRecorded, RecordingRegistered, SegmentsAssigned, SegmentsCreated
from shared.ids import new_id
from shared.ledger import consumer
from shared.ledger.consumer import Work
from shared.ledger.outbox import announce, publish
from shared.ledger.sweep import Sweep
from shared.settings import ClustererSettings, LedgerSettings, Settings
from shared.storage import collections, embeddings, encoders, labels, people, segments, splits, statements
from shared.storage.database import Database
from shared.storage.objects import ObjectStore
from shared.storage.segments import Cut, NewSegment
from shared.storage.subsets import Stratum, Wanted
from shared.storage.tables import metadata

NAME = "talks"
KEYS = {"doomed": (f"{NAME}/ada/zebra one.wav", f"{NAME}/ada/zebra two.wav"), "staying": (f"{NAME}/bea/giraffe.wav",)}
WORDS = {"doomed": "zebrazebra", "staying": "giraffegiraffe"}
RATE_HZ = 44_100
QUICK = LedgerSettings(backoff_base_s=0.0, blob_grace_s=0.0, blob_sweep_s=0.0)


@dataclass(frozen=True)
class Recorded:
    """One of the two, and what must be found nowhere once it is erased."""

    recording_id: UUID
    sha256: str
    segment_ids: tuple[UUID, ...]  # the last two are halves of `divided`
    divided: UUID
    keys: tuple[str, ...]
    words: str

    @property
    def gone(self) -> str:
        """A key that held it until other bytes were put there, and deleted before anybody read them."""
        return self.keys[0].replace(".wav", " gone.wav")

    def traces(self) -> list[str]:
        objects = [str(ids.object_id("audio", key)) for key in (*self.keys, self.gone)]
        segment_ids = [str(s) for s in (*self.segment_ids, self.divided)]
        return [str(self.recording_id), self.sha256, self.words, *self.keys, self.gone, *objects, *segment_ids]


class World:
    """The servers, and the handlers of all workers, called one delivery at a time."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database = settings, database
        self.store = ObjectStore(settings.s3)
        self._folder = tempfile.TemporaryDirectory()
        self._threads = ThreadPoolExecutor(2)
        self.decoder = Decoder(DecodeLimits())
        folder = Path(self._folder.name)
        self.ingest = Ingest(settings, self.store, self.decoder, registry.build, self._threads, folder)
        self.looker = Looker(database, self.store, self._threads, settings)
        self.handlers: dict[str, Callable[[Work], None]] = {
            "ingest.register": lambda work: handlers.register(work, self.ingest),
            "ingest.segment": lambda work: handlers.segment(work, self.ingest),
            "ingest.erase": lambda work: erasing.erase(work, self.ingest),
            "embedder.discard": embedder.discard,
            "clusterer.forget": lambda work: clusterer.forget(work, ClustererSettings()),
        }
        with database.begin() as tx:
            collections.create(tx, NAME, "whole", ("spectral",))
            spec = of_encoders.spec("spectral")
            self.space = encoders.announce_encoder(tx, spec.name, spec.space, spec.dimension, asdict(spec))

    def close(self) -> None:
        self.decoder.close()
        self._threads.shutdown()
        self._folder.cleanup()

    def recording(self, name: str) -> Recorded:
        """Put its file under its keys, register it there, cut it, embed it, name it, divide a segment of it."""
        path = Path(self._folder.name) / name
        signal = np.random.default_rng(len(name)).normal(0, 0.1, 4 * RATE_HZ)
        soundfile.write(path, signal, RATE_HZ, format="wav")
        for key in KEYS[name]:
            self.store.put_file(self.settings.s3.audio_bucket, key, path, "audio/wav")
        self.look()
        ((recording_id, sha256),) = self.rows(
            "SELECT recording_id, sha256 FROM recording JOIN stored_object USING (recording_id) WHERE key = :key",
            key=KEYS[name][0],
        )
        return Recorded(recording_id, sha256, *self._cut(recording_id, name), KEYS[name], WORDS[name])

    def _cut(self, recording_id: UUID, name: str) -> tuple[tuple[UUID, ...], UUID]:
        new = tuple(
            NewSegment(ids.segment_id(recording_id, "whole@1", n, n + 16_000), n, n + 16_000, WORDS[name])
            for n in range(0, 64_000, 16_000)
        )
        spoken, divided = [s.segment_id for s in new], new[-1].segment_id
        with self.database.begin() as tx:
            segments.write_cuts(tx, [Cut(recording_id, NAME, "whole@1", new, ("spectral",))])
            vectors = np.random.default_rng(len(name)).normal(size=(4, self.space.dimension)).astype(np.float32)
            embeddings.write(tx, self.space, spoken, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
            people.ensure_speakers(tx, ["Ada", "Bea"])
            for segment_id in spoken:
                statements.name_segments(tx, [segment_id], "Ada", "test")
            done = splits.split(tx, divided, [3.5], "test")
            statements.name_segments(tx, [part.segment_id for part in done.parts], "Ada", "test")
            assigned = [*spoken[:-1], *(part.segment_id for part in done.parts)]
            labels.lock_names(tx, NAME)
            entry = labels.append(tx, NAME, "spread", "rule")
            ada = people.speaker_named(tx, "Ada")
            named = labels.Named(ada, "human", None, entry.label_id)
            labels.write(tx, entry, NAME, dict.fromkeys(assigned, named), assigned)
        return tuple(assigned), divided

    def say(self, *events: Event) -> None:
        with self.database.begin() as tx:
            publish(tx, [announce(event) for event in events])

    def look(self) -> None:
        """The sweep of the bucket, and what it finds is registered."""
        self.looker.sweep()
        while self.work("ingest.register"):
            pass

    def work(self, subscription: str) -> int:
        """Do the pending deliveries of one subscription as one message; returns how many there were."""
        found = self.rows(
            "UPDATE delivery SET state = 'queued' WHERE subscription = :name AND state = 'pending' RETURNING event_id",
            name=subscription,
        )
        event_ids = [event_id for (event_id,) in found]
        consumer.run(self.handlers[subscription], subscription, str(new_id()), event_ids, self.database, QUICK)
        return len(event_ids)

    def work_off(self, *subscriptions: str) -> None:
        """Until nothing is pending for these (for all that are played here)."""
        names = subscriptions or tuple(self.handlers)
        for _ in range(10):
            if not sum(self.work(name) for name in names):
                return
        raise AssertionError(self.rows("SELECT subscription, last_error FROM delivery"))

    def sweep(self) -> None:
        """As the reconciler does."""
        sweep = Sweep(self.database, self.store, self.settings.s3.derived_bucket, QUICK)
        while sweep.step():
            pass

    def blobs(self) -> set[str]:
        return {one.key for one in self.store.listing(self.settings.s3.derived_bucket)}

    def objects(self) -> set[str]:
        return {one.key for one in self.store.listing(self.settings.s3.audio_bucket)}

    def rows(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        with self.database.begin() as tx:
            return [tuple(row) for row in tx.execute(sa.text(query), values)]

    def told_of(self, one: Recorded) -> None:
        """Rows of one recording in the tables that labelling, sampling, clustering and failures fill."""
        self._rendered(one)
        self.lose(one)
        self._imported(one)
        object_id = ids.object_id("audio", one.keys[0])
        with self.database.begin() as tx:
            for table, row in _rows(one, self.space.encoder_id, people.speaker_named(tx, "Ada")):
                columns = [column.name for column in metadata.tables[table].primary_key]
                tx.execute(insert(metadata.tables[table]).values(row).on_conflict_do_nothing(index_elements=columns))
        self.say(
            RecordingRegistered(
                recording_id=one.recording_id, object_id=object_id, collection=NAME, segmenter="x", duration_s=1
            ),
            SegmentsCreated(
                recording_id=one.recording_id,
                collection=NAME,
                segmenter="x",
                segment_ids=(*one.segment_ids, one.divided),
                duration_s=1,
            ),
            SegmentsAssigned(collection=NAME, encoder="spectral", segment_ids=one.segment_ids, n_unassigned=0),
            LabelRecorded(label_id=new_id(), collection=NAME, operation="assign", segment_id=one.segment_ids[1]),
        )
        self.rows("UPDATE delivery SET state = 'dead', last_error = :key RETURNING 1", key=one.keys[0])

    def lose(self, one: Recorded) -> None:
        """Have it lie under one more key, until that is written over and deleted."""
        self.put(one.gone, one.keys[0])
        self.look()
        path = Path(self._folder.name) / "other"
        path.write_bytes(b"other bytes")
        self.store.put_file(self.settings.s3.audio_bucket, one.gone, path, "audio/wav")
        self.looker.sweep()
        self.store.delete(self.settings.s3.audio_bucket, one.gone)
        self.work("ingest.register")

    def put(self, key: str, of: str) -> None:
        """The bytes that lie under a key, under another one."""
        path = Path(self._folder.name) / "again"
        self.store.fetch(self.settings.s3.audio_bucket, of, path)
        self.store.put_file(self.settings.s3.audio_bucket, key, path, "audio/wav")

    def _imported(self, one: Recorded) -> None:
        """Names out of a file that is called like it."""
        with self.database.begin() as tx:
            detail = {"files": [one.keys[0]], "n_files": 1, "n_segments": 1}
            statements.import_words(tx, NAME, [(one.segment_ids[0], "Ada")], "test", detail)

    def _rendered(self, one: Recorded) -> None:
        """Blobs of it that its rows refer to."""
        key = rendition_key(one.sha256, 16_000)
        path = Path(self._folder.name) / "blob"
        path.write_bytes(one.sha256.encode())
        for blob in (key, derived_key(one.sha256), f"frames/{self.space.space}/{one.sha256[:2]}/{one.sha256}.npy"):
            self.store.put_file(self.settings.s3.derived_bucket, blob, path, "audio/flac")
        columns = "rendition (recording_id, sample_rate_hz, key, n_samples)"
        self.rows(f"INSERT INTO {columns} VALUES (:id, 16000, :key, 1) RETURNING 1", id=one.recording_id, key=key)


def _rows(one: Recorded, space: int, speaker_id: UUID) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of the tables that are written elsewhere than in ingest."""
    segment_id, own, key = one.segment_ids[0], new_id(), one.keys[0]
    of_space = {"collection": NAME, "encoder": "spectral"}
    scores = {"collection": NAME, "encoder_id": space}
    voice = {**scores, "speaker_id": speaker_id, "vector_sum": b"", "n": 1, "seconds": 1.0}
    ear = {**scores, "n_vectors": 1, "backend": b"", "parameters": {}, "label_id": own}
    trust = {"exemplars": [str(segment_id)]}
    facts = {"n_recordings": 1, "cohesion": 1.0, "exemplar_segment_id": segment_id, "trust": trust}
    blob = {"sha256": one.sha256, "n_frames": 1, "dimension": 1, "dtype": "float32", "size_bytes": 1}
    for named in (key, one.gone):
        said = {"captions": [one.words], "talker": one.words}
        yield "object_attributes", {"collection": NAME, "key": named, "data": said}
    yield "frame_blob", {"encoder_id": space, "segment_id": segment_id, **blob}
    yield "unembeddable", {"segment_id": segment_id, "encoder": "other", "code": "silence"}
    yield "cluster", {**of_space, **facts, "cluster_id": own, "born": 1, "generation": 1, "n_segments": 1}
    member = {"segment_id": segment_id, "probability": 1.0}
    yield "cluster_member", {**member, "encoder": "spectral", "from_generation": 1, "cluster_id": own}
    inside = {"segment_ids": list(one.segment_ids), "probabilities": [1.0] * len(one.segment_ids)}
    yield "cluster_before", {**of_space, **facts, **inside, "generation": 1, "cluster_id": own}
    yield "deferred", {"encoder": "other", "segment_id": segment_id, "collection": NAME}
    yield "arrived", {"encoder": "other", "segment_id": segment_id, "collection": NAME}
    yield "clustering", {**of_space, "request_id": own}
    yield "clustering_member", {**member, "request_id": own, "cluster": 0}
    yield "suggestion", {**member, "collection": NAME, "speaker_id": speaker_id}
    why = {"why": "w", "reason": one.words, "n_segments": 1, "expected_resolved": 1.0}
    yield "question", {"collection": NAME, "rank": len(one.keys), "segment_id": segment_id, **why}
    yield "skipped", {"segment_id": segment_id, "collection": NAME, "actor": "test"}
    yield "review", {"review_id": own, "collection": NAME, "asked": {"segment_ids": [str(segment_id)]}}
    worst = {"encoders": ["a", "b"], "result": {"worst": str(segment_id)}}
    yield "comparison", {"comparison_id": own, "collection": NAME, **worst}
    yield "subset", {"subset_id": own, "collection": NAME, "name": str(own), **_drawn(one.words)}
    yield "subset_member", {"subset_id": own, "place": 0, "key": key, "recording_id": one.recording_id}
    place = {"bucket": "audio", "key": f"{NAME}/{own}.tar", "etag": "e", "kind": "tar", "size_bytes": 1}
    yield "archive", {"archive_id": own, "object_id": own, "collection": NAME, **place}
    member_of = {"archive_id": own, "number": 0, "path": one.words, "size_bytes": 1}
    yield "archive_member", {**member_of, "key": key, "etag": "e"}
    answer = {"status": 200, "answer": one.words.encode()}
    yield "keyed_call", {"actor": "test", "key": str(own), "fingerprint": "f", **answer}
    yield "erasure", {"receipt_id": own, "actor": "test", "erased": {}, "audio_kept": list(one.keys)}
    yield "calibration", ear
    yield "calibration_before", {**ear, "generation": 1, "n_arrived": 0, "fitted_at": datetime.now(UTC)}
    yield "centroid", voice
    yield "centroid_before", {**voice, "generation": 1}
    yield "clustering_state", {"collection": NAME, "space": "s", "generation": 1, "state": b"", "standing": b""}


def _drawn(talker: str) -> dict[str, Any]:
    """A subset of one talker, as it is kept."""
    spec = Wanted(by="talker", where=(f"talker={talker}",), exclude=(f"talker=not {talker}",)).spec()
    strata = [asdict(Stratum(talker, size=1, quota=1, drawn=1, small=True))]
    return {"spec": spec, "strata": strata, "n_recordings": 1, "n_excluded": 0}
