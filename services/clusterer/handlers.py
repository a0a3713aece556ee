"""The use cases of the clusterer: take arrivals in, find clusters, let names follow what people said."""

from collections.abc import Sequence
from uuid import UUID

from services.clusterer import arriving, generations, hearing, naming, questioning, scopes
from services.clusterer.clustering.types import Method
from services.clusterer.spaces import Space, space_of
from shared.errors import NotFound
from shared.events import (
    ClusteringRequested,
    ClustersUpdated,
    LabelRecorded,
    LabelRecordedV1,
    LabelsPropagated,
    ReviewRequested,
    SegmentsAssigned,
    SegmentsEmbedded,
    SegmentsRemoved,
)
from shared.ledger.consumer import Commit, Delivered, Work
from shared.settings import ClustererSettings
from shared.storage import clusters, labels, reviews, words
from shared.storage.database import Transaction


def assign(work: Work, settings: ClustererSettings) -> None:
    """Let new segments join the standing clusters and take the names that follow; leave the rest NULL."""
    arrived: dict[tuple[str, str], list[Delivered]] = {}
    for delivered in work.delivered:
        if isinstance(delivered.event, SegmentsEmbedded):
            arrived.setdefault((delivered.event.collection, delivered.event.encoder), []).append(delivered)
    with work.commit() as commit:
        for (collection, encoder), group in sorted(arrived.items(), key=lambda item: item[0]):
            space = space_of(commit.tx, collection)
            if space.encoder.name == encoder:  # names come from one space; the others are for search and comparison
                _assign(commit, space, group, settings)


def _assign(commit: Commit, space: Space, group: Sequence[Delivered], settings: ClustererSettings) -> None:
    arrived = [s for d in group if isinstance(d.event, SegmentsEmbedded) for s in d.event.segment_ids]
    named = arriving.take_in(commit.tx, space, arrived, settings)
    event = SegmentsAssigned(
        collection=space.collection,
        encoder=space.encoder.name,
        segment_ids=tuple(named),
        n_unassigned=len(arrived) - len(named),
    )
    commit.publish(event, cause=group[0])


def recluster(work: Work, settings: ClustererSettings) -> None:
    """Cluster each collection that was asked for, once however often it was asked; names follow their clusters."""
    asked: dict[tuple[str, str], list[Delivered]] = {}
    for delivered in work.delivered:
        if isinstance(delivered.event, ClusteringRequested):
            asked.setdefault((delivered.event.collection, delivered.event.encoder), []).append(delivered)
    for (collection, encoder), group in asked.items():
        found = generations.find(work.database, collection, encoder, _method(work, group[-1]))
        with work.commit(group) as commit:
            labels.lock_names(commit.tx, collection)
            updated = generations.write(commit.tx, found)
            follow(commit.tx, found, settings)
            for delivered in group:
                assert isinstance(delivered.event, ClusteringRequested)
                request_id = delivered.event.request_id
                generations.finish(commit.tx, request_id, updated, found)
                commit.publish(generations.event(request_id, found, updated), cause=delivered)


def _method(work: Work, last: Delivered) -> Method:
    """The method that the last of several requests names."""
    assert isinstance(last.event, ClusteringRequested)
    with work.database.begin() as tx:
        method: Method = clusters.asked_for(tx, last.event.request_id).get("method", "auto")
        return method


def follow(tx: Transaction, found: generations.Found, settings: ClustererSettings) -> None:
    """After a refit: everybody's name is thought out anew."""
    space = space_of(tx, found.material.collection)
    if space.encoder.name != found.material.encoder.name:
        return
    arriving.catch_up(tx, space, found.material.segment_ids)
    entry = labels.append(tx, space.collection, "cluster", naming.ACTOR)
    hearing.refit(tx, space, entry, settings)
    naming.settle_all(tx, space, entry)


def propagate(work: Work, settings: ClustererSettings) -> None:
    """Let the names follow each statement of a batch."""
    for delivered in work.delivered:
        event = delivered.event.now() if isinstance(delivered.event, LabelRecordedV1) else delivered.event
        assert isinstance(event, LabelRecorded)
        with work.commit([delivered]) as commit:
            labels.lock_names(commit.tx, event.collection)
            commit.publish(spread(commit.tx, event, settings), cause=delivered)


def spread(tx: Transaction, event: LabelRecorded, settings: ClustererSettings) -> LabelsPropagated:
    """Let the names of one collection follow one statement. Call it under the names lock."""
    space = space_of(tx, event.collection)
    scope = scopes.of_statement(tx, event)
    entry = labels.append(
        tx,
        event.collection,
        "spread",
        naming.ACTOR,
        event.speaker_id,
        segment_id=event.segment_id,
        cluster_id=event.cluster_id,
        cause_id=event.label_id,
    )
    if hearing.is_deaf(tx, space):  # as after an upgrade, or after a voice was erased
        hearing.refit(tx, space, entry, settings)
        changed = naming.settle_all(tx, space, entry)
    else:
        changed = naming.settle(tx, space, entry, scope.segment_ids, scope.moved)
    of_cluster = event.cluster_id is not None and event.operation == "assign"
    counts = {
        "n_direct": changed.n_named if of_cluster else len(scope.segment_ids),
        "n_cluster": 0 if of_cluster else changed.n_named,
        "n_identified": changed.n_identified,
    }
    labels.describe(tx, entry, {**counts, "n_looked_at": changed.n_looked_at, "n_lost": changed.n_lost})
    return LabelsPropagated(label_id=event.label_id, collection=event.collection, **counts)


def forget(work: Work, settings: ClustererSettings) -> None:
    """After segments are gone: clusters and names that rested on them follow."""
    removed: dict[str, set[UUID]] = {}
    for delivered in work.delivered:
        if isinstance(delivered.event, SegmentsRemoved):
            removed.setdefault(delivered.event.collection, set()).update(delivered.event.speaker_ids)
    with work.commit() as commit:
        for collection, speaker_ids in sorted(removed.items()):
            _forget(commit.tx, space_of(commit.tx, collection), speaker_ids, settings)


def _forget(tx: Transaction, space: Space, speaker_ids: set[UUID], settings: ClustererSettings) -> None:
    labels.lock_names(tx, space.collection)
    entry = labels.append(tx, space.collection, "forget", naming.ACTOR)
    if hearing.is_deaf(tx, space):  # a voice was erased, and with it how scores are made
        hearing.refit(tx, space, entry, settings)
        naming.settle_all(tx, space, entry)
    elif speaker_ids:
        naming.settle(tx, space, entry, words.of_speakers(tx, sorted(speaker_ids), space.collection), speaker_ids)
    labels.forget_if_unused(tx, entry)
    questioning.think_out(tx, space)


def review(work: Work, settings: ClustererSettings) -> None:
    """Do what each label would do, write down what it changed, and take it all back but that."""
    for delivered in work.delivered:
        event = delivered.event
        assert isinstance(event, ReviewRequested)
        with work.commit([delivered]) as commit:
            labels.lock_names(commit.tx, event.collection)
            tried = commit.tx.begin_nested()
            try:
                recorded = reviews.carry_out(commit.tx, event.review_id)
                for follows in recorded.events:
                    spread(commit.tx, follows, settings)
                after = reviews.effects(commit.tx, recorded.label_id)
            except NotFound as gone:  # what was to be named is there no more
                tried.rollback()
                reviews.fail(commit.tx, event.review_id, gone)
                continue
            tried.rollback()
            reviews.write(commit.tx, event.review_id, labels.last_seq(commit.tx, event.collection), after)


def ask(work: Work) -> None:
    """After names or clusters have changed: which segments to have named next, once for each collection."""
    told = [d.event for d in work.delivered if isinstance(d.event, LabelsPropagated | ClustersUpdated)]
    with work.commit() as commit:
        for collection in sorted({event.collection for event in told}):
            questioning.think_out(commit.tx, space_of(commit.tx, collection))
