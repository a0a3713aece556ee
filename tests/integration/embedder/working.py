"""An embedder on real servers without a worker: recordings as ingest leaves them, and deliveries done one by one."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import soundfile
import sqlalchemy as sa

from services.embedder import handlers
from services.embedder.blobs import BlobCache
from services.embedder.catalogue import Catalogue
from services.embedder.frames import FrameStore
from services.embedder.models import ModelCache
from services.embedder.ports import Embedder
from shared.encoders import registry
from shared.encoders.protocol import Encoder, EncoderOptions, EncoderSpec
from shared.events import Event, SegmentsCreated
from shared.ids import new_id
from shared.ledger import consumer
from shared.ledger.consumer import Work
from shared.ledger.outbox import announce, publish
from shared.ledger.sweep import Sweep
from shared.settings import LedgerSettings, Settings
from shared.storage import backfills, collections, encoders, recordings, segments
from shared.storage.backfills import BackfillState
from shared.storage.database import Database
from shared.storage.objects import ObjectStore
from shared.storage.segments import Cut, NewSegment

COLLECTION = "talks"
FIRST, SECOND = "spectral", "other"
SECOND_S = 16_000
HANDLERS: Mapping[str, Callable[[Work, Embedder], None]] = {
    "embedder.embed": handlers.embed,
    "embedder.supply": handlers.embed,
    "embedder.enlist": handlers.enlist,
    "embedder.backfill": handlers.embed,
    "embedder.define": lambda work, _: handlers.define(work),
    "embedder.discard": lambda work, _: handlers.discard(work),
}


@dataclass
class Turned:
    """An encoder whose vectors are the spectral ones in another space, turned around after `turn`."""

    spec: EncoderSpec
    sign: float = 1.0
    before: Callable[[], object] = lambda: None
    _inner: Encoder = field(default_factory=lambda: registry.build("spectral", EncoderOptions()))

    def embed(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        self.before()
        return np.float32(self.sign) * self._inner.embed(clips)


@dataclass
class Workshop:
    """The servers, the tools of one embedder process, and the encoders by name."""

    settings: Settings
    database: Database
    encoders: dict[str, Turned]
    ledger: LedgerSettings = field(default_factory=LedgerSettings)

    def __post_init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.store = ObjectStore(self.settings.s3)
        self.fetching = ThreadPoolExecutor(2)
        self.added = Catalogue(self.database, EncoderOptions(device="cpu", dtype="float32"), ModelCache(1 << 30))
        for encoder in self.encoders.values():
            self.offer(encoder)
        with self.database.begin() as tx:
            collections.create(tx, COLLECTION, "whole", (FIRST,))

    def offer(self, encoder: Turned) -> None:
        """As a worker does when it starts: an upgraded one with another space."""
        self.encoders[encoder.spec.name] = encoder
        spec = encoder.spec
        with self.database.begin() as tx:
            encoders.announce_encoder(tx, spec.name, spec.space, spec.dimension, asdict(spec))

    def tools(self) -> Embedder:
        settings = self.settings.model_copy(update={"ledger": self.ledger})
        folder = Path(tempfile.mkdtemp(dir=self.folder.name))
        return Embedder(
            settings=settings,
            objects=self.store,
            blobs=BlobCache(self.store, folder, 1 << 20),
            frames=FrameStore(self.store, settings.s3.derived_bucket, folder),
            spec=lambda n: self.encoders[n].spec if n in self.encoders else self.added.spec(n),
            encoder=lambda n: self.encoders[n] if n in self.encoders else self.added.encoder(n),
            fetching=self.fetching,
        )

    def recording(self, n_segments: int = 3, *, silent: int = 0, readable: bool = True, announced: bool = True) -> UUID:
        """One that is cut into seconds, the last `silent` of them digital silence; its embedding is pending."""
        own, sha256 = uuid4(), uuid4().hex
        signal = np.random.default_rng(own.int % 2**32).normal(0, 0.1, max(1, n_segments) * SECOND_S)
        signal[(n_segments - silent) * SECOND_S :] = 0
        if readable:
            path = Path(self.folder.name) / f"{own}.flac"
            soundfile.write(path, signal, 16_000)
            self.store.put_file(self.settings.s3.derived_bucket, f"{own}.flac", path, "audio/flac")
        cut = Cut(own, COLLECTION, "whole@1", spans(n_segments), (FIRST,))
        with self.database.begin() as tx:
            new = recordings.NewRecording(own, COLLECTION, sha256, len(signal), f"{own}.flac", {"peak": 0.5})
            recordings.register(tx, [new])
            segments.write_cuts(tx, [cut])
            if announced:
                ids = tuple(s.segment_id for s in cut.segments)
                event = SegmentsCreated(
                    recording_id=own, collection=COLLECTION, segmenter="whole@1", segment_ids=ids, duration_s=n_segments
                )
                publish(tx, [announce(event)])
        return own

    def say(self, *events: Event) -> None:
        with self.database.begin() as tx:
            publish(tx, [announce(event) for event in events])

    def backfill(self, encoder: str, *, everything: bool = False) -> UUID:
        """Asked for, not done."""
        with self.database.begin() as tx:
            requested = backfills.request(tx, COLLECTION, encoder, everything=everything)
            publish(tx, [announce(requested.event)])
        return requested.event.backfill_id

    def state(self, backfill_id: UUID) -> BackfillState:
        with self.database.begin() as tx:
            return backfills.state(tx, backfill_id)

    def work(self, subscription: str, most: int = 100) -> int:
        """Do so many of the pending deliveries of one subscription as one message; returns how many there were."""
        with self.database.begin() as tx:
            statement = """
                UPDATE delivery SET state = 'queued' WHERE (event_id, subscription) IN (
                    SELECT event_id, subscription FROM delivery JOIN event USING (event_id)
                    WHERE subscription = :name AND state = 'pending' ORDER BY seq LIMIT :most)
                RETURNING event_id
            """
            ids = list(tx.execute(sa.text(statement), {"name": subscription, "most": most}).scalars())
        handler, tools = HANDLERS[subscription], self.tools()
        consumer.run(lambda work: handler(work, tools), subscription, str(new_id()), ids, self.database, self.ledger)
        return len(ids)

    def work_off(self) -> None:
        """Everything that is pending and what follows from it."""
        while sum(self.work(name) for name in HANDLERS):
            assert self.rows("SELECT last_error FROM delivery WHERE last_error <> ''") == []

    def sweep(self) -> None:
        """As the reconciler does, again and again."""
        Sweep(self.database, self.store, self.settings.s3.derived_bucket, self.ledger).step()

    def rows(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        with self.database.begin() as tx:
            return [tuple(row) for row in tx.execute(sa.text(query), values)]

    def vectors(self, encoder: str) -> dict[UUID, np.ndarray]:
        space = self.encoders[encoder].spec.space
        found = self.rows(
            "SELECT segment_id, vector::real[] FROM embedding JOIN encoder USING (encoder_id) WHERE space = :space",
            space=space,
        )
        return {segment_id: np.array(vector, np.float32) for segment_id, vector in found}

    def announced(self, kind: str, encoder: str) -> list[dict[str, Any]]:
        query = "SELECT data FROM event WHERE type LIKE :kind AND data->>'encoder' = :encoder ORDER BY seq"
        return [data for (data,) in self.rows(query, kind=f"io.earmark.{kind}.v%", encoder=encoder)]

    def progress(self, encoder: str) -> set[tuple[int, int, int]]:
        query = "SELECT n_segments, n_embedded, n_without_voice FROM recording_progress WHERE encoder = :encoder"
        return set(self.rows(query, encoder=encoder))

    def segment_ids(self, recording_id: UUID) -> list[UUID]:
        query = "SELECT segment_id FROM segment WHERE recording_id = :id ORDER BY start_sample"
        return [segment_id for (segment_id,) in self.rows(query, id=recording_id)]


def spans(n_segments: int) -> tuple[NewSegment, ...]:
    return tuple(NewSegment(uuid4(), n * SECOND_S, (n + 1) * SECOND_S) for n in range(n_segments))


def two_encoders() -> dict[str, Turned]:
    spec = registry.spec("spectral")
    return {FIRST: Turned(spec), SECOND: Turned(replace(spec, name=SECOND))}
