"""Give names inside a transaction: to arrivals, clusters, neighbours of the named. Call it under the names lock."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from services.clusterer import spreading
from services.clusterer.identify import accepted, nearest
from shared.events import LabelRecorded
from shared.settings import ClustererSettings
from shared.storage import clusters, collections, embeddings, encoders, labels, speakers
from shared.storage.clusters import NewCluster
from shared.storage.database import Transaction
from shared.storage.embeddings import Vectors
from shared.storage.encoders import StoredEncoder
from shared.storage.labels import Effect
from shared.storage.speakers import Named

ACTOR = "clusterer@1"


@dataclass(frozen=True, slots=True)
class Spread:
    """How many segments a label reached, and how."""

    n_direct: int
    n_cluster: int
    n_identified: int


def primary_space(tx: Transaction, collection: str) -> StoredEncoder:
    """The space in which a collection's voices are compared: that of its first encoder."""
    return encoders.by_name(tx, collections.get(tx, collection).encoders[0])


def identify_arrivals(
    tx: Transaction, collection: str, space: StoredEncoder, segment_ids: Sequence[UUID], settings: ClustererSettings
) -> list[UUID]:
    """Name those of the new segments that sound like a named speaker; returns them."""
    vectors = embeddings.of_segments(tx, space, segment_ids)
    effects = _identified(tx, collection, space, vectors, settings)
    if not effects:
        return []
    label_id = labels.append(tx, collection, "identify", ACTOR)
    return labels.apply(tx, label_id, collection, effects)


def spread_label(tx: Transaction, event: LabelRecorded, settings: ClustererSettings) -> Spread:
    """Let the cluster follow a person's label, then look again at everybody whom no person and no cluster named."""
    named = speakers.named_segments(tx, event.collection)
    effects = _following(tx, event, named)
    label_id = labels.append(tx, event.collection, "propagate", ACTOR, event.speaker_id, cause_id=event.label_id)
    n_followed = len(labels.apply(tx, label_id, event.collection, effects))
    moved = {event.speaker_id} | {named[e.segment_id].speaker_id for e in effects if e.segment_id in named}
    if event.segment_id:
        moved |= labels.speakers_ever(tx, event.segment_id)
    n_identified = look_again(tx, event.collection, moved, settings, event.label_id)
    n_direct, n_cluster = (1, n_followed) if event.segment_id else (n_followed, 0)
    labels.append(
        tx,
        event.collection,
        "spread",
        ACTOR,
        event.speaker_id,
        cause_id=event.label_id,
        detail={"n_direct": n_direct, "n_cluster": n_cluster, "n_identified": n_identified},
    )
    return Spread(n_direct, n_cluster, n_identified)


def follow_clusters(tx: Transaction, collection: str, found: Iterable[NewCluster], settings: ClustererSettings) -> None:
    """After a refit: each cluster in which people named exactly one speaker follows that name."""
    named = speakers.named_segments(tx, collection)
    effects = [e for c in found for e in spreading.from_members(c.segment_ids, named)]
    if not effects:
        return
    label_id = labels.append(tx, collection, "propagate", ACTOR)
    changed = set(labels.apply(tx, label_id, collection, effects))
    moved = {e.speaker_id for e in effects if e.segment_id in changed}
    moved |= {named[s].speaker_id for s in changed if s in named}
    look_again(tx, collection, moved, settings, label_id)


def _following(tx: Transaction, event: LabelRecorded, named: dict[UUID, Named]) -> list[Effect]:
    """The members that follow a label: all of a named cluster, or of the cluster that holds the named segment."""
    if event.cluster_id and labels.has_later_word(tx, event.label_id):
        return []
    if event.cluster_id:
        members = clusters.members(tx, [event.cluster_id]).get(event.cluster_id, [])
        return spreading.over_cluster(members, event.speaker_id, named)
    own = clusters.current_cluster_of(tx, event.segment_id) if event.segment_id else None
    return spreading.from_members(clusters.members(tx, [own]).get(own, []), named) if own else []


def look_again(
    tx: Transaction, collection: str, moved: set[UUID], settings: ClustererSettings, cause_id: UUID | None
) -> int:
    """Refresh the centroids of speakers whose segments changed and identify again whom only a rule, or nobody, named.

    A segment that no longer sounds like anybody named becomes unknown again. Returns how many changed.
    """
    if not moved:
        return 0
    space = primary_space(tx, collection)
    speakers.refresh_centroids(tx, collection, space, sorted(moved))
    named = speakers.named_segments(tx, collection)
    vectors = embeddings.of_collection(tx, space, collection)
    open_to_rules = np.array(
        [s not in named or named[s].assigned_by == "identification" for s in vectors.segment_ids()], bool
    )
    candidates = Vectors(vectors.ids[open_to_rules], vectors.rows[open_to_rules])
    effects = _identified(tx, collection, space, candidates, settings)
    sure = {e.segment_id for e in effects}
    doubtful = [s for s, n in named.items() if n.assigned_by == "identification" and s not in sure]
    label_id = labels.append(tx, collection, "identify", ACTOR, cause_id=cause_id)
    labels.withdraw(tx, label_id, doubtful)
    return len(labels.apply(tx, label_id, collection, effects))


def _identified(
    tx: Transaction, collection: str, space: StoredEncoder, vectors: Vectors, settings: ClustererSettings
) -> list[Effect]:
    known = speakers.centroids(tx, collection, space)
    if not known.speaker_ids or not len(vectors.ids):
        return []
    matches = nearest(vectors.rows, known.sums, known.counts)
    threshold = settings.assign_threshold
    sure = accepted(matches, float(space.spec["assign_threshold"]) if threshold is None else threshold)
    segment_ids = vectors.segment_ids()
    return [
        Effect(segment_ids[i], known.speaker_ids[matches.speaker[i]], "identification", float(matches.score[i]))
        for i in sure
    ]
