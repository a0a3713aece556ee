"""Small worlds in which people label at random: what they do, and how it is done."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from uuid import UUID, uuid4

import numpy as np
import sqlalchemy as sa

from services.clusterer import arriving, generations, handlers, naming
from services.clusterer.spaces import space_of
from shared.encoders import registry
from shared.ids import new_id
from shared.settings import ClustererSettings
from shared.storage import (
    clusters,
    collections,
    embeddings,
    encoders,
    generations_before,
    labels,
    people,
    recordings,
    reversals,
    segments,
    statements,
)
from shared.storage.clusters import NewCluster, Report
from shared.storage.database import Database, Transaction
from shared.storage.labels import Names
from shared.storage.statements import Recorded

N_VOICES, N_EACH = 6, 5
N_SEGMENTS = N_VOICES * N_EACH
_VOICES = np.random.default_rng(3).normal(size=(N_VOICES, 64))
_ROWS = np.repeat(_VOICES, N_EACH, axis=0) + 0.3 * np.random.default_rng(4).normal(size=(N_SEGMENTS, 64))
ROWS = (_ROWS / np.linalg.norm(_ROWS, axis=1, keepdims=True)).astype(np.float32)
CLUSTERS = ((0, 1, 2), (5, 6, 7, 8, 9), (10, 11, 12, 15), (20, 21), (22, 23))  # the third one holds two voices
NAMES = ("Ada", "Bea", "Cem")
_numbers = count()


@dataclass(frozen=True, slots=True)
class Name:
    """A person names segments."""

    segments: tuple[int, ...]
    speaker: str


@dataclass(frozen=True, slots=True)
class NameCluster:
    """A person names a cluster."""

    cluster: int
    speaker: str


@dataclass(frozen=True, slots=True)
class Reject:
    """A person says who does not speak."""

    segment: int
    speaker: str


@dataclass(frozen=True, slots=True)
class Import:
    """Somebody's file names segments."""

    words: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Merge:
    """A person says that two are one."""

    stays: str
    goes: str


@dataclass(frozen=True, slots=True)
class Undo:
    """A person takes the n-th step back; a step that cannot be taken back is left alone."""

    step: int


@dataclass(frozen=True, slots=True)
class Recluster:
    """Somebody asks for fresh clusters."""


Step = Name | NameCluster | Reject | Import | Merge | Undo | Recluster


@dataclass(slots=True)
class World:
    """One collection with vectors and clusters, and speakers of its own; the steps that were made in it."""

    database: Database
    collection: str = field(default_factory=lambda: f"w{next(_numbers)}")
    segment_ids: list[UUID] = field(default_factory=list)
    cluster_ids: list[UUID] = field(default_factory=list)
    made: list[UUID | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        spec = registry.spec("spectral")
        with self.database.begin() as tx:
            collections.ensure(tx, self.collection, "whole", ("spectral",))
            encoder = encoders.announce_encoder(tx, spec.name, spec.space, spec.dimension, asdict(spec))
            recording_id = uuid4()
            new = tuple(segments.NewSegment(new_id(), n * 48_000, (n + 1) * 48_000) for n in range(N_SEGMENTS))
            recording = recordings.NewRecording(recording_id, self.collection, str(recording_id), 10**9, "k", {})
            recordings.register(tx, [recording])
            segments.write_cuts(tx, [segments.Cut(recording_id, self.collection, "whole@1", new, ("spectral",))])
            self.segment_ids = [s.segment_id for s in new]
            embeddings.write(tx, encoder, self.segment_ids, ROWS)
            people.ensure_speakers(tx, [self.called(name) for name in NAMES])
            arriving.take_in(tx, space_of(tx, self.collection), self.segment_ids, ClustererSettings())
            self._cluster(tx)

    def _cluster(self, tx: Transaction) -> None:
        new = [
            NewCluster(
                new_id(), tuple(self.segment_ids[m] for m in c), (0.75,) * len(c), 1, 0.9, self.segment_ids[c[0]]
            )
            for c in CLUSTERS
        ]
        request = clusters.request(tx, self.collection, "spectral")
        generation = clusters.write_generation(tx, self.collection, "spectral", new)
        clusters.finish(tx, request.request_id, Report(generation, len(new), 0, N_SEGMENTS), {})
        self.cluster_ids = [c.cluster_id for c in new]

    def called(self, name: str) -> str:
        """The speaker's name in this world."""
        return f"{name} of {self.collection}"

    def do(self, steps: Sequence[Step]) -> "World":
        """Make the steps one after the other, and let the names follow each."""
        for step in steps:
            if isinstance(step, Recluster):
                self.made.append(self._recluster())
                continue
            with self.database.begin() as tx:
                recorded = self._say(tx, step)
                self.made.append(recorded.label_id if recorded else None)
                for event in recorded.events if recorded else ():
                    labels.lock_names(tx, event.collection)
                    handlers.spread(tx, event, ClustererSettings())
                self.cluster_ids = clusters.standing(tx, self.collection, "spectral") or self.cluster_ids
        return self

    def _recluster(self) -> UUID:
        found = generations.find(self.database, self.collection, "spectral")
        with self.database.begin() as tx:
            labels.lock_names(tx, self.collection)
            request = clusters.request(tx, self.collection, "spectral")
            generations.finish(tx, request.request_id, generations.write(tx, found), found)
            handlers.follow(tx, found, ClustererSettings())
            self.cluster_ids = clusters.standing(tx, self.collection, "spectral") or self.cluster_ids
            generation = generations_before.standing(tx, self.collection, "spectral")
        assert generation is not None
        assert generation.label_id is not None
        return generation.label_id

    def _say(self, tx: Transaction, step: Step) -> Recorded | None:
        recorded = None
        match step:
            case Name(numbers, speaker):
                ids = [self.segment_ids[n] for n in numbers]
                recorded = statements.name_segments(tx, ids, self.called(speaker), "test")
            case NameCluster(number, speaker):
                own = self.cluster_ids[number % len(self.cluster_ids)]
                recorded = statements.name_cluster(tx, own, self.called(speaker), "test")
            case Reject(number, speaker):
                speaker_id = people.speaker_named(tx, self.called(speaker))
                recorded = statements.reject_segment(tx, self.segment_ids[number], speaker_id, "test")
            case Import(words):
                said = [(self.segment_ids[n], self.called(speaker)) for n, speaker in words]
                recorded = statements.import_words(tx, self.collection, said, "test", {})
            case Merge(stays, goes):
                with suppress(reversals.AlreadyOne):
                    recorded = reversals.merge(tx, self.called(stays), self.called(goes), "test")
            case Undo(number):
                recorded = self._undo(tx, number)
        return recorded

    def _undo(self, tx: Transaction, number: int) -> Recorded | None:
        label_id = self.made[number] if number < len(self.made) else None
        if label_id is None:
            return None
        try:
            return reversals.undo(tx, label_id, "test")
        except (reversals.AlreadyUndone, reversals.NewerClustering, reversals.NotKept):
            return None

    def state(self) -> dict[int, tuple[str, str, float | None]]:
        """Who each segment belongs to, by whom or which rule, and how sure."""
        with self.database.begin() as tx:
            return self._readable(tx, labels.names(tx, self.segment_ids))

    def suggested(self) -> dict[int, tuple[str, float]]:
        """Whom each segment may belong to."""
        query = sa.text("""
            SELECT segment_id, name, probability FROM suggestion JOIN speaker USING (speaker_id)
            WHERE collection = :collection
        """)
        number_of = {segment_id: n for n, segment_id in enumerate(self.segment_ids)}
        with self.database.begin() as tx:
            rows = tx.execute(query, {"collection": self.collection}).all()
        own = f" of {self.collection}"
        return {number_of[row.segment_id]: (row.name.removesuffix(own), row.probability) for row in rows}

    def clustered(self) -> set[tuple[tuple[tuple[int, float], ...], int, float, int, str]]:
        """The standing clusters: members with their probabilities, size, cohesion, exemplar and trust."""
        number_of = {segment_id: n for n, segment_id in enumerate(self.segment_ids)}
        with self.database.begin() as tx:
            members = clusters.members(tx, clusters.standing(tx, self.collection, "spectral"))
            query = sa.text("SELECT cluster_id, n_segments, cohesion, exemplar_segment_id, trust FROM cluster")
            facts = {row.cluster_id: row for row in tx.execute(query)}
        found = set()
        for cluster_id, inside in members.items():
            of = facts[cluster_id]
            trust = {k: [number_of[UUID(s)] for s in v] if k == "exemplars" else v for k, v in of.trust.items()}
            numbers = tuple(sorted((number_of[s], p) for s, p in inside.items()))
            exemplar = number_of[of.exemplar_segment_id]
            found.add((numbers, of.n_segments, of.cohesion, exemplar, str(sorted(trust.items()))))
        return found

    def replayed(self) -> dict[int, tuple[str, str, float | None]]:
        """The same out of the log alone."""
        with self.database.begin() as tx:
            return self._readable(tx, labels.as_of(tx, self.collection, "infinity"))

    def thought_out_anew(self) -> "World":
        """The same world after everybody's name was thought out from the beginning."""
        with self.database.begin() as tx:
            entry = labels.append(tx, self.collection, "cluster", naming.ACTOR)
            naming.settle_all(tx, space_of(tx, self.collection), entry)
        return self

    def _readable(self, tx: Transaction, names: Names) -> dict[int, tuple[str, str, float | None]]:
        number_of = {segment_id: n for n, segment_id in enumerate(self.segment_ids)}
        speakers = {n.speaker_id for n in names.values()}
        called = {s: people.name_of(tx, s).removesuffix(f" of {self.collection}") for s in speakers}
        return {number_of[s]: (called[n.speaker_id], n.assigned_by, n.confidence) for s, n in sorted(names.items())}
