"""Who sounds like a named speaker, among those whom no person and no cluster named."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from jaxtyping import Int64

from services.clusterer import hearing, spreading
from services.clusterer.hearing import Ear
from services.clusterer.identification import reach
from services.clusterer.identification.answer import Identified
from services.clusterer.identification.identifying import identify
from services.clusterer.spaces import Space
from shared.storage import embeddings, labels, segments, speakers, suggestions, words
from shared.storage.database import Transaction
from shared.storage.embeddings import Near, Vectors
from shared.storage.labels import Entry, Named, Names
from shared.storage.speakers import Centroids
from shared.storage.suggestions import Suggested


@dataclass(frozen=True, slots=True)
class Recognised:
    """How many segments were compared with the named, and how many changed by it."""

    n_looked_at: int = 0
    n_changed: int = 0


def recognise(tx: Transaction, space: Space, entry: Entry, segment_ids: Sequence[UUID], moved: set[UUID]) -> Recognised:
    """Identify these segments, and whoever else the moved speakers could win or lose."""
    ear = hearing.ear_of(tx, space)
    if ear is None:
        return Recognised()
    was = speakers.centroids(tx, space.collection, space.encoder).of(moved)
    if moved:
        speakers.refresh_centroids(tx, space.collection, space.encoder, sorted(moved), ear.backend.scored)
    known = speakers.centroids(tx, space.collection, space.encoder)
    near = _near(tx, space, ear, [was, known.of(moved)])
    lost = suggestions.of_speakers(tx, space.collection, sorted(moved))
    return _write(tx, space, entry, ear, known, {*segment_ids, *near, *lost})


def recognise_all(tx: Transaction, space: Space, entry: Entry, *, voices_stand: bool = False) -> Recognised:
    """Identify everybody open to rules, with every speaker's voice made anew if it does not stand."""
    ear = hearing.ear_of(tx, space)
    if ear is None:
        return Recognised()
    if not voices_stand:
        named, enrolled = speakers.named(tx, space.collection), speakers.enrolled(tx, space.collection, space.encoder)
        speakers.refresh_centroids(tx, space.collection, space.encoder, sorted(named | enrolled), ear.backend.scored)
    known = speakers.centroids(tx, space.collection, space.encoder)
    candidates = embeddings.open_to_rules(tx, space.encoder, space.collection)
    return _write(tx, space, entry, ear, known, {*candidates, *suggestions.everybody(tx, space.collection)})


def _near(tx: Transaction, space: Space, ear: Ear, voices: Iterable[Centroids]) -> list[UUID]:
    """Those open to rules for whom one of these voices counts, or counted."""
    found: list[UUID] = []
    for known in voices:
        if known.speaker_ids:
            bound = reach.near(hearing.enrolled(known), ear.calibration, ear.backend)
            near = Near(bound.directions, bound.bounds)
            found += embeddings.open_to_rules(tx, space.encoder, space.collection, near)
    return found


def _write(
    tx: Transaction, space: Space, entry: Entry, ear: Ear, known: Centroids, candidates: set[UUID]
) -> Recognised:
    looked_at = sorted(candidates)
    now = labels.names(tx, looked_at)
    is_open = [s for s in looked_at if s not in now or now[s].assigned_by == "identification"]
    vectors = embeddings.of_segments(tx, space.encoder, is_open)
    wanted, suggested = _identified(tx, ear, vectors, known)
    has_vector = set(vectors.segment_ids())
    known_at_all = speakers.spoken_of(tx, space.collection)
    # What has no vector in this space cannot be judged: it keeps its name as long as anybody bears it.
    judged = [s for s in looked_at if s in has_vector or (s in now and now[s].speaker_id not in known_at_all)]
    changed = spreading.changes(judged, now, wanted, of_rules=True)
    suggestions.write(tx, space.collection, looked_at, suggested)
    n_changed = len(labels.write(tx, entry, space.collection, changed.names, changed.nobodys))
    return Recognised(len(vectors.ids), n_changed)


def _identified(tx: Transaction, ear: Ear, vectors: Vectors, known: Centroids) -> tuple[Names, dict[UUID, Suggested]]:
    ids = vectors.segment_ids()
    if not ids or not known.speaker_ids:
        return {}, {}
    answer: Identified = identify(
        ear.backend.scored(vectors.rows),
        segments.durations_s(tx, ids),
        hearing.enrolled(known),
        ear.calibration,
        forbidden(tx, ids, known),
    )
    wanted: Names = {
        ids[i]: Named(known.speaker_ids[answer.nearest[i]], "identification", float(answer.probability[i]))
        for i in answer.assigned()
    }
    suggested = {
        ids[i]: Suggested(known.speaker_ids[answer.nearest[i]], float(answer.probability[i]))
        for i in answer.suggested()
    }
    return wanted, suggested


def forbidden(tx: Transaction, ids: Sequence[UUID], known: Centroids) -> Int64[np.ndarray, "pairs 2"]:
    """(query, speaker), by their rows, that people ruled out."""
    row_of = {segment_id: i for i, segment_id in enumerate(ids)}
    speaker_of = {speaker_id: i for i, speaker_id in enumerate(known.speaker_ids)}
    pairs = [(row_of[s], speaker_of[p]) for s, p in sorted(words.rejected(tx, ids)) if p in speaker_of]
    return np.array(pairs, np.int64).reshape(-1, 2)
