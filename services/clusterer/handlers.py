"""The use cases of the clusterer: assign arrivals, find clusters, spread labels."""

from collections.abc import Sequence

from services.clusterer import generations, naming
from shared.events import ClusteringRequested, LabelRecorded, LabelsPropagated, SegmentsAssigned, SegmentsEmbedded
from shared.ledger.consumer import Commit, Delivered, Work
from shared.settings import ClustererSettings
from shared.storage import labels, speakers


def assign(work: Work, settings: ClustererSettings) -> None:
    """Name the new segments that sound like a named speaker; leave the rest NULL."""
    arrived: dict[tuple[str, str], list[Delivered]] = {}
    for delivered in work.delivered:
        if isinstance(delivered.event, SegmentsEmbedded):
            arrived.setdefault((delivered.event.collection, delivered.event.encoder), []).append(delivered)
    with work.commit() as commit:
        for (collection, encoder), group in sorted(arrived.items(), key=lambda item: item[0]):
            _assign(commit, collection, encoder, group, settings)


def _assign(
    commit: Commit, collection: str, encoder: str, group: Sequence[Delivered], settings: ClustererSettings
) -> None:
    space = naming.primary_space(commit.tx, collection)
    if space.name != encoder:
        return  # names come from one space; the others are for search and comparison
    arrived = [s for d in group if isinstance(d.event, SegmentsEmbedded) for s in d.event.segment_ids]
    # A person may have named a segment before it had a vector: then its speaker's mean is missing a voice.
    named_before = speakers.speakers_of(commit.tx, arrived)
    labels.lock_names(commit.tx, collection, shared=not named_before)
    if named_before:
        naming.look_again(commit.tx, collection, named_before, settings, None)
    named = naming.identify_arrivals(commit.tx, collection, space, arrived, settings)
    event = SegmentsAssigned(
        collection=collection, encoder=encoder, segment_ids=tuple(named), n_unassigned=len(arrived) - len(named)
    )
    commit.publish(event, cause=group[0])


def recluster(work: Work, settings: ClustererSettings) -> None:
    """Cluster each collection that was asked for, once however often it was asked; names follow their clusters."""
    asked: dict[tuple[str, str], list[Delivered]] = {}
    for delivered in work.delivered:
        if isinstance(delivered.event, ClusteringRequested):
            asked.setdefault((delivered.event.collection, delivered.event.encoder), []).append(delivered)
    for (collection, encoder), group in asked.items():
        found = generations.find(work.database, collection, encoder, settings)
        with work.commit(group) as commit:
            labels.lock_names(commit.tx, collection)
            updated = generations.write(commit.tx, collection, found)
            naming.follow_clusters(commit.tx, collection, found.clusters, settings)
            for delivered in group:
                assert isinstance(delivered.event, ClusteringRequested)
                request_id = delivered.event.request_id
                generations.finish(commit.tx, request_id, updated, settings)
                commit.publish(generations.event(request_id, collection, encoder, updated), cause=delivered)


def propagate(work: Work, settings: ClustererSettings) -> None:
    """Spread each label of a batch, in the order in which people gave them."""
    for delivered in work.delivered:
        event = delivered.event
        assert isinstance(event, LabelRecorded)
        with work.commit([delivered]) as commit:
            labels.lock_names(commit.tx, event.collection)
            spread = naming.spread_label(commit.tx, event, settings)
            commit.publish(
                LabelsPropagated(
                    label_id=event.label_id,
                    collection=event.collection,
                    n_direct=spread.n_direct,
                    n_cluster=spread.n_cluster,
                    n_identified=spread.n_identified,
                ),
                cause=delivered,
            )
