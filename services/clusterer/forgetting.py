"""Let names follow when segments are gone: the voices that they were of, and the clusters that they were in."""

from collections.abc import Sequence
from uuid import UUID

from services.clusterer import hearing, naming, questioning
from services.clusterer.spaces import Space, space_of
from shared.events import SegmentsRemoved
from shared.settings import ClustererSettings
from shared.storage import clusters, labels, words
from shared.storage.database import Transaction


def forget(tx: Transaction, removed: Sequence[SegmentsRemoved], settings: ClustererSettings) -> None:
    """Look at each collection once, whatever went from it."""
    for collection in sorted({event.collection for event in removed}):
        own = [event for event in removed if event.collection == collection]
        _forget(tx, collection, own, settings)


def _forget(tx: Transaction, collection: str, removed: Sequence[SegmentsRemoved], settings: ClustererSettings) -> None:
    labels.lock_names(tx, collection)
    space = space_of(tx, collection)
    entry = labels.append(tx, collection, "forget", naming.ACTOR)
    speaker_ids = {s for event in removed for s in event.speaker_ids}
    if hearing.is_deaf(tx, space):  # a voice was erased, and with it how scores are made
        hearing.refit(tx, space, entry, settings)
        naming.settle_all(tx, space, entry)
    elif speaker_ids:
        theirs = words.of_speakers(tx, sorted(speaker_ids), collection)
        naming.settle(tx, space, entry, [*theirs, *_left_behind(tx, space, removed)], speaker_ids)
    labels.forget_if_unused(tx, entry)
    questioning.think_out(tx, space)


def _left_behind(tx: Transaction, space: Space, removed: Sequence[SegmentsRemoved]) -> list[UUID]:
    """Who is in the clusters that the segments were in: a voice that was named there may be named there no more."""
    were_in = {c for event in removed for c in event.cluster_ids}
    standing = were_in.intersection(clusters.standing(tx, space.collection, space.encoder.name))
    return [s for inside in clusters.members(tx, sorted(standing)).values() for s in inside]
