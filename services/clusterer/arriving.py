"""Take in segments that have just received their vectors: into standing clusters, and under names."""

from collections.abc import Sequence
from uuid import UUID

from services.clusterer import hearing, naming, standing
from services.clusterer.spaces import Space
from shared.settings import ClustererSettings
from shared.storage import calibrations, clusters, deferrals, embeddings, generations_before, labels
from shared.storage.database import Transaction


def take_in(tx: Transaction, space: Space, arrived: Sequence[UUID], settings: ClustererSettings) -> list[UUID]:
    """Returns those that have a name now.

    An arrival joins a standing cluster if it matches its core. One that matches none waits for the next arrivals, once.
    """
    labels.lock_names(tx, space.collection)
    generations_before.arrive(tx, space.collection, space.encoder.name, arrived)
    entry = labels.append(tx, space.collection, "arrive", naming.ACTOR)
    has_clusters = bool(clusters.standing(tx, space.collection, space.encoder.name))
    waited = join(tx, space, arrived) if has_clusters else []
    if calibrations.outgrown(tx, space.collection, space.encoder, len(arrived)):
        hearing.refit(tx, space, entry, settings)
        naming.settle_all(tx, space, entry)
    else:
        naming.settle_arrivals(tx, space, entry, [*arrived, *waited])
    labels.forget_if_unused(tx, entry)
    return sorted(labels.names(tx, arrived))


def keep_up(tx: Transaction, space: Space, arrived: Sequence[UUID]) -> None:
    """Take arrivals in where nobody is named: into the clusters of a space that may name, or name again, one day."""
    generations_before.arrive(tx, space.collection, space.encoder.name, arrived)
    if clusters.standing(tx, space.collection, space.encoder.name):
        join(tx, space, arrived)
    calibrations.outgrown(tx, space.collection, space.encoder, len(arrived))


def join(tx: Transaction, space: Space, arrived: Sequence[UUID]) -> list[UUID]:
    """Let arrivals, and those who wait, join; returns those of the waiting who did."""
    name = space.encoder.name
    waiting = deferrals.take(tx, space.collection, name)
    new = embeddings.of_segments(tx, space.encoder, [*arrived, *waiting])
    joined = standing.matches(tx, space, new)
    clusters.join(tx, space.collection, name, joined)
    found = {segment_id for segment_id, _, _ in joined}
    deferrals.defer(tx, space.collection, name, [s for s in arrived if s not in found])
    return [s for s in waiting if s in found]


def catch_up(tx: Transaction, space: Space, clustered: Sequence[UUID]) -> None:
    """After a refit: whoever arrived while it was thought out joins its clusters, or waits."""
    known = set(clustered)
    deferrals.take(tx, space.collection, space.encoder.name)  # all before these have been clustered
    late = [s for s in embeddings.ids_of_collection(tx, space.encoder, space.collection) if s not in known]
    if late:
        join(tx, space, late)
