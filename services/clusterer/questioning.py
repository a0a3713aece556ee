"""Think out which segments to have named next, from everything that is known of a collection."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import numpy as np
from jaxtyping import Int64

from services.clusterer import hearing
from services.clusterer.hearing import Ear
from services.clusterer.identification.answer import NOBODY
from services.clusterer.identification.asking import NOISE, Question, Scene, questions
from services.clusterer.identification.calibration import ASSIGN
from services.clusterer.identification.identifying import identify
from services.clusterer.recognising import forbidden
from services.clusterer.spaces import Space
from shared.storage import calibrations, clusters, labels, people, segments, speakers, words
from shared.storage import questions as stored
from shared.storage.database import Transaction
from shared.storage.embeddings import Vectors
from shared.storage.labels import Names
from shared.storage.questions import NewQuestion
from shared.storage.speakers import Centroids

WANTED: Final = 200
"""More than a person answers before they are thought out anew."""

LEAST_RESOLVED: Final = 1 - ASSIGN
"""A name that is as sure as one that is given unasked needs no question."""

LARGEST: Final = 20_000
"""So many segments are looked at; of a larger collection those of the first ids, which are hashes: a fair draw."""


@dataclass(frozen=True, slots=True)
class _Known:
    """Everything that is asked from: row i is `segment_ids[i]`."""

    segment_ids: list[UUID]
    vectors: Vectors
    names: Names
    centroids: Centroids
    cluster_of: dict[UUID, tuple[UUID, float]]


def think_out(tx: Transaction, space: Space) -> None:
    """Write the questions of a collection anew."""
    seq = labels.last_seq(tx, space.collection)
    ear = hearing.ear_of(tx, space)
    if ear is None:
        return
    known = _known(tx, space)
    asked = questions(_scene(tx, space, ear, known), WANTED)
    names = people.names_of(tx, known.centroids.speaker_ids)
    called = {row: names[s] for row, s in enumerate(known.centroids.speaker_ids)}
    worthwhile = [q for q in asked if q.expected_resolved >= LEAST_RESOLVED]
    stored.write(tx, space.collection, seq, [_new(question, known, called) for question in worthwhile])


def _known(tx: Transaction, space: Space) -> _Known:
    vectors = calibrations.sample(tx, space.collection, space.encoder, LARGEST)
    segment_ids = vectors.segment_ids()
    return _Known(
        segment_ids=segment_ids,
        vectors=vectors,
        names=labels.names(tx, segment_ids),
        centroids=speakers.centroids(tx, space.collection, space.encoder),
        cluster_of=clusters.firmness(tx, space.encoder.name, segment_ids),
    )


def _scene(tx: Transaction, space: Space, ear: Ear, known: _Known) -> Scene:
    ids = known.segment_ids
    number_of = {c: n for n, c in enumerate(sorted({c for c, _ in known.cluster_of.values()}))}
    speaker_of = {s: n for n, s in enumerate(known.centroids.speaker_ids)}
    row_of = {s: row for row, s in enumerate(ids)}
    names = {s: n.speaker_id for s, n in known.names.items()}
    spoken = words.said(tx, ids)
    of_clusters = clusters.exemplars_among(tx, [s for s, word in spoken.items() if word.kind == "cluster"])
    said = {s: w.speaker_id for s, w in spoken.items() if w.kind != "cluster" or s in of_clusters}
    passed_over = stored.skipped_in(tx, space.collection)
    return Scene(
        clusters=_numbers(known, lambda s: number_of[known.cluster_of[s][0]] if s in known.cluster_of else NOISE),
        membership=np.array([_firmness(known, s) for s in ids]),
        said=_numbers(known, lambda s: speaker_of.get(said[s], NOBODY) if s in said else NOBODY),
        named=_numbers(known, lambda s: speaker_of.get(names[s], NOBODY) if s in names else NOBODY),
        guessed=np.array([s in known.names and known.names[s].assigned_by == "identification" for s in ids], bool),
        identified=identify(
            ear.backend.scored(known.vectors.rows),
            segments.durations_s(tx, ids),
            hearing.enrolled(known.centroids),
            ear.calibration,
            forbidden(tx, ids, known.centroids),
        ),
        asked=np.array([s in passed_over for s in ids], bool),
        exemplars=_exemplars(clusters.exemplars(tx, list(number_of)), number_of, row_of),
    )


def _firmness(known: _Known, segment_id: UUID) -> float:
    """How firmly a segment belongs to its cluster or, among the voices of a contested one, to the one it follows."""
    name = known.names.get(segment_id)
    if name and name.assigned_by == "cluster" and name.confidence is not None:
        return name.confidence
    return known.cluster_of[segment_id][1] if segment_id in known.cluster_of else 0.0


def _numbers(known: _Known, number: Any) -> Int64[np.ndarray, " segments"]:
    return np.array([number(s) for s in known.segment_ids], np.int64)


def _exemplars(
    of_clusters: dict[UUID, list[UUID]], number_of: dict[UUID, int], row_of: dict[UUID, int]
) -> dict[int, tuple[int, ...]]:
    return {number_of[c]: tuple(row_of[s] for s in ids if s in row_of) for c, ids in of_clusters.items()}


def _new(question: Question, known: _Known, called: dict[int, str]) -> NewQuestion:
    return NewQuestion(
        segment_id=known.segment_ids[question.segment],
        expected_resolved=question.expected_resolved,
        why=question.why,
        reason=question.reason(called),
        n_segments=question.n_segments,
    )
