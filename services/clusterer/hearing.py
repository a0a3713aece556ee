"""A collection's ear: the back-end that turns its vectors, and the calibration that reads their scores.

Fitted when vectors arrive (whenever they have doubled) and when clusters are found, never because of a single label:
so a label that is taken back leaves nothing behind.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID

import numpy as np
from jaxtyping import Float32, Float64

from services.clusterer.identification import fitting
from services.clusterer.identification.calibration import Calibration, Enrolled
from services.clusterer.identification.fitting import Labelled
from services.clusterer.spaces import Space
from shared.scoring import learning
from shared.scoring.backend import Backend
from shared.settings import ClustererSettings
from shared.storage import calibrations, embeddings, labels, segments
from shared.storage.database import Transaction
from shared.storage.encoders import StoredEncoder
from shared.storage.labels import Entry
from shared.storage.speakers import Centroids

LABELLED_MOST = 4096
"""So many labelled segments tell a calibration's two numbers more exactly than the collection stays the same."""


@dataclass(frozen=True, slots=True)
class Ear:
    """How vectors become scores, and scores probabilities."""

    backend: Backend
    calibration: Calibration


def ear_of(tx: Transaction, space: Space) -> Ear | None:
    """As it was last fitted; None before the first vectors."""
    stored = calibrations.get(tx, space.collection, space.encoder)
    return Ear(Backend.from_bytes(stored.backend), Calibration(**stored.parameters)) if stored else None


def is_deaf(tx: Transaction, space: Space) -> bool:
    """Whether there are vectors but no ear for them."""
    if calibrations.get(tx, space.collection, space.encoder) is not None:
        return False
    return bool(calibrations.sample(tx, space.collection, space.encoder, 1).ids.size)


def refit(tx: Transaction, space: Space, entry: Entry, settings: ClustererSettings) -> Ear:
    """Fit anew to the collection's vectors and labels; every name has to be thought out again after that."""
    n_vectors = calibrations.count(tx, space.collection, space.encoder)
    sample = calibrations.sample(tx, space.collection, space.encoder, learning.LARGEST_SAMPLE)
    ear = fitted(sample.rows, lambda backend: _labelled(tx, space, backend), space.encoder, settings)
    parameters: dict[str, Any] = asdict(ear.calibration)
    calibrations.put(
        tx,
        space.collection,
        space.encoder,
        n_vectors=n_vectors,
        backend=ear.backend.to_bytes(),
        parameters=parameters,
        label_id=entry.label_id,
    )
    return ear


def fitted(
    sample: Float32[np.ndarray, "rows dim"],
    labelled: Callable[[Backend], Labelled],
    encoder: StoredEncoder,
    settings: ClustererSettings,
) -> Ear:
    """The ear for unit rows of an encoder, at most `learning.LARGEST_SAMPLE`, and for what people named."""
    backend = learning.learn(sample, float(encoder.spec["assign_threshold"]))
    prior = fitting.before_labels(backend.scored(sample), backend.n_voices, float(encoder.spec["min_duration_s"]))
    calibration = fitting.fit(prior, labelled(backend))
    return Ear(backend, replace(calibration, assign=settings.assign_probability, suggest=settings.suggest_probability))


def _labelled(tx: Transaction, space: Space, backend: Backend) -> Labelled:
    """Those whom people named, a fair draw of them; what followed from clusters is no independent witness."""
    said = labels.said_by_people(tx, space.collection, LABELLED_MOST)
    vectors = embeddings.of_segments(tx, space.encoder, list(said))
    ids: list[UUID] = vectors.segment_ids()
    numbers = {speaker_id: n for n, speaker_id in enumerate(sorted(set(said.values())))}
    return Labelled(
        rows=backend.scored(vectors.rows),
        durations_s=segments.durations_s(tx, ids),
        speakers=np.array([numbers[said[s]] for s in ids], np.int64),
    )


def enrolled(known: Centroids) -> Enrolled:
    """The speakers as identification takes them."""
    seconds: Float64[np.ndarray, " speakers"] = known.seconds
    return Enrolled(known.sums, known.counts, seconds)
