"""Take a clustering back, or bring it again: the generation before stands anew, under a number of its own.

Clusters, members, scores and voices are as they were. Who has arrived since arrives once more, at those clusters; who
is gone stays gone. Who waited for the next arrivals waits no longer: there is nothing new for them to be compared with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.clusterer import arriving, hearing, naming
from services.clusterer.naming import Spread
from services.clusterer.spaces import Space
from shared.events import ClustersUpdated, LabelRecorded
from shared.settings import ClustererSettings
from shared.storage import calibrations, clustering_states, clusters, deferrals, generations_before, reversals, words
from shared.storage.clusters import Report
from shared.storage.database import Transaction
from shared.storage.generations_before import Generation
from shared.storage.labels import Entry


@dataclass(frozen=True, slots=True)
class Restored:
    """How names changed, and what to announce: the generation that stands now, if there is another one."""

    changed: Spread
    events: tuple[ClustersUpdated, ...] = ()


def restore(tx: Transaction, space: Space, event: LabelRecorded, entry: Entry, settings: ClustererSettings) -> Restored:
    """Let clusters and names follow a statement that takes a clustering back. Call it under the names lock.

    Nothing changes if a newer clustering has come between, or if the statement was taken back itself.
    """
    wanted = reversals.statement_of(tx, event.label_id)
    now = generations_before.standing(tx, space.collection, space.encoder.name)
    if now is None or now.label_id != wanted.label_id or now.taken_back != wanted.active:
        return Restored(Spread(0, 0, 0, 0))
    said_since = generations_before.said_since(tx, space.collection, now.finished_at, but=event.label_id)
    late = generations_before.arrived_since(tx, space.collection, space.encoder.name)
    as_scored = _bring_back(tx, space, now)
    updated = _finish(tx, space, now, wanted.label_id)
    _arrive(tx, space, late)
    if hearing.is_deaf(tx, space) or (late and calibrations.outgrown(tx, space.collection, space.encoder, len(late))):
        hearing.refit(tx, space, entry, settings)
        as_scored = False
    # A voice grows with a statement, not with each arrival: as long as nobody said anything it is as it was.
    voices_stand = as_scored and not said_since and not words.said(tx, late)
    return Restored(naming.settle_all(tx, space, entry, voices_stand=voices_stand), (updated,))


def _bring_back(tx: Transaction, space: Space, now: Generation) -> bool:
    """Exchange the standing generation for the one before it; whether scores are as they were, too."""
    collection, encoder, before = space.collection, space.encoder, now.generation - 1
    clusters_before = generations_before.clusters_of(tx, collection, encoder, before)
    generations_before.keep(tx, collection, encoder, now.generation)
    generation = clusters.write_generation(tx, collection, encoder.name, clusters_before)
    clusters.recount(tx, collection)
    clustering_states.bring_back(tx, collection, encoder.space, generation)
    as_scored = generations_before.bring_scores_back(tx, collection, encoder, before)
    generations_before.forget_before(tx, collection, encoder, now.generation)
    return as_scored


def _finish(tx: Transaction, space: Space, now: Generation, label_id: UUID) -> ClustersUpdated:
    """Write the generation down as one that somebody asked for."""
    collection, encoder = space.collection, space.encoder
    request = clusters.request(tx, collection, encoder.name)
    members = clusters.members(tx, clusters.standing(tx, collection, encoder.name))
    n_segments = calibrations.count(tx, collection, encoder)
    n_noise = n_segments - sum(len(inside) for inside in members.values())
    report = Report(now.generation + 1, len(members), n_noise, n_segments)
    clusters.finish(tx, request.request_id, report, {})
    generations_before.tell(tx, collection, encoder.name, label_id, taken_back=not now.taken_back)
    return ClustersUpdated(
        request_id=request.request_id,
        collection=collection,
        encoder=encoder.name,
        generation=report.generation,
        n_clusters=report.n_clusters,
        n_noise=report.n_noise,
        n_segments=report.n_segments,
    )


def _arrive(tx: Transaction, space: Space, late: Sequence[UUID]) -> None:
    deferrals.take(tx, space.collection, space.encoder.name)  # whoever of them still counts is late
    if clusters.standing(tx, space.collection, space.encoder.name):
        arriving.join(tx, space, late)
