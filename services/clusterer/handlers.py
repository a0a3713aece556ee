"""The use cases of the clusterer: take arrivals in, find clusters, let names follow what people said."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from services.clusterer import (
    arriving,
    encoder_comparison,
    forgetting,
    generations,
    hearing,
    method_comparison,
    naming,
    questioning,
    restoring,
    scopes,
    switching,
)
from services.clusterer.clustering.types import Method
from services.clusterer.spaces import Space, space_of
from shared.errors import NotFound, PermanentError
from shared.events import (
    BackfillFinished,
    ClusteringRequested,
    ClustersUpdated,
    ComparisonRequested,
    Event,
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
from shared.storage import (
    clustering_members,
    clusters,
    encoder_comparisons,
    encoders,
    generations_before,
    labels,
    method_comparisons,
    reversals,
    reviews,
    switches,
)
from shared.storage.database import Transaction
from shared.storage.labels import Entry
from shared.storage.switches import Switch


def assign(work: Work, settings: ClustererSettings) -> None:
    """Let new segments join the standing clusters and take the names that follow; leave the rest NULL."""
    arrived: dict[tuple[str, str], list[Delivered]] = {}
    for delivered in work.delivered:
        if isinstance(delivered.event, SegmentsEmbedded):
            arrived.setdefault((delivered.event.collection, delivered.event.encoder), []).append(delivered)
    with work.commit() as commit:
        for (collection, encoder), group in sorted(arrived.items(), key=lambda item: item[0]):
            labels.lock_names(commit.tx, collection)  # before the space is looked at: it may be about to change
            space = space_of(commit.tx, collection)
            if space.encoder.name == encoder:
                _assign(commit, space, group, settings)
            else:  # names come from one space; the others are for search and comparison, and may name again
                arriving.keep_up(commit.tx, Space(collection, encoders.by_name(commit.tx, encoder)), _segments(group))


def _assign(commit: Commit, space: Space, group: Sequence[Delivered], settings: ClustererSettings) -> None:
    arrived = _segments(group)
    named = arriving.take_in(commit.tx, space, arrived, settings)
    event = SegmentsAssigned(
        collection=space.collection,
        encoder=space.encoder.name,
        segment_ids=tuple(named),
        n_unassigned=len(arrived) - len(named),
    )
    commit.publish(event, cause=group[0])


def _segments(group: Sequence[Delivered]) -> list[UUID]:
    return [s for d in group if isinstance(d.event, SegmentsEmbedded) for s in d.event.segment_ids]


def recluster(work: Work, settings: ClustererSettings) -> None:
    """Cluster each collection that was asked for, once however often it was asked; names follow their clusters.

    What a method other than the default finds is only compared with what stands, unless it is to be applied; so are the
    clusters of a subset.
    """
    asked: dict[tuple[str, str, Method, UUID | None, bool], list[Delivered]] = {}
    for delivered in work.delivered:
        if isinstance(delivered.event, ClusteringRequested):
            key = (delivered.event.collection, delivered.event.encoder, *_wanted(work, delivered.event))
            asked.setdefault(key, []).append(delivered)
    for (collection, encoder, method, subset_id, applied), group in asked.items():
        try:
            found = generations.find(work.database, collection, encoder, method, subset_id)
        except PermanentError as error:  # whoever asked waits for an answer
            with work.commit(group) as commit:
                _fail(commit.tx, group, error)
            continue
        with work.commit(group) as commit:
            if not applied:
                _compare(commit.tx, found, group)
                if subset_id is not None:
                    _keep(commit.tx, found, group)
                continue
            labels.lock_names(commit.tx, collection)
            updated = generations.write(commit.tx, found)
            for delivered in group:
                assert isinstance(delivered.event, ClusteringRequested)
                request_id = delivered.event.request_id
                generations.finish(commit.tx, request_id, updated, found)
                commit.publish(generations.event(request_id, found, updated), cause=delivered)
            follow(commit.tx, found, settings)


def _wanted(work: Work, request: ClusteringRequested) -> tuple[Method, UUID | None, bool]:
    """The method and subset that a request names, and whether what is found shall stand."""
    with work.database.begin() as tx:
        asked = clusters.asked_for(tx, request.request_id)
    method: Method = asked.get("method", "auto")
    subset_id = UUID(asked["subset_id"]) if "subset_id" in asked else None
    return method, subset_id, subset_id is None and (method == "auto" or bool(asked.get("apply")))


def _fail(tx: Transaction, group: Sequence[Delivered], error: PermanentError) -> None:
    for delivered in group:
        assert isinstance(delivered.event, ClusteringRequested)
        clusters.fail(tx, delivered.event.request_id, error)


def _compare(tx: Transaction, found: generations.Found, group: Sequence[Delivered]) -> None:
    comparison = method_comparison.compared(tx, found)
    for delivered in group:
        assert isinstance(delivered.event, ClusteringRequested)
        method_comparisons.write(tx, delivered.event.request_id, comparison, generations.parameters(found))


def _keep(tx: Transaction, found: generations.Found, group: Sequence[Delivered]) -> None:
    """Clusters that do not stand are kept with their request."""
    for delivered in group:
        assert isinstance(delivered.event, ClusteringRequested)
        ids, clustering = found.material.segment_ids, found.clustering
        clustering_members.write(tx, delivered.event.request_id, ids, clustering.labels, clustering.probabilities)


def follow(tx: Transaction, found: generations.Found, settings: ClustererSettings) -> None:
    """After a refit, and once its generation is finished: everybody's name is thought out anew."""
    space = space_of(tx, found.material.collection)
    if space.encoder.name != found.material.encoder.name:
        return
    arriving.catch_up(tx, space, found.material.segment_ids)
    entry = labels.append(tx, space.collection, "cluster", naming.ACTOR)
    generations_before.tell(tx, space.collection, space.encoder.name, entry.label_id)
    hearing.refit(tx, space, entry, settings)
    naming.settle_all(tx, space, entry)


def propagate(work: Work, settings: ClustererSettings) -> None:
    """Let the names follow each statement of a batch."""
    for delivered in work.delivered:
        event = delivered.event.now() if isinstance(delivered.event, LabelRecordedV1) else delivered.event
        assert isinstance(event, LabelRecorded)
        with work.commit([delivered]) as commit:
            labels.lock_names(commit.tx, event.collection)
            for follows in spread(commit.tx, event, settings):
                commit.publish(follows, cause=delivered)


def spread(tx: Transaction, event: LabelRecorded, settings: ClustererSettings) -> list[Event]:
    """Let the names of one collection follow one statement; returns what to announce. Call it under the names lock."""
    statement = reversals.statement_of(tx, event.label_id)
    operation, erased = statement.operation, "erased" in statement.detail  # since it was said
    space = space_of(tx, event.collection)
    entry = labels.append(
        tx,
        event.collection,
        "spread",
        naming.ACTOR,
        None if erased else event.speaker_id,
        segment_id=None if erased else event.segment_id,
        cluster_id=event.cluster_id,
        cause_id=event.label_id,
    )
    if operation == "switch":
        return switching.take_back(tx, event, entry, settings)
    if operation == "cluster":
        restored = restoring.restore(tx, space, event, entry, settings)
        return [_propagated(tx, event, entry, restored.changed, n_direct=0), *restored.events]
    scope = scopes.of_statement(tx, event)
    if hearing.is_deaf(tx, space):  # as after an upgrade, or after a voice was erased
        hearing.refit(tx, space, entry, settings)
        changed = naming.settle_all(tx, space, entry)
    else:
        changed = naming.settle(tx, space, entry, scope.segment_ids, scope.moved)
    of_cluster = event.cluster_id is not None and event.operation == "assign"
    if of_cluster:  # its members were spoken of
        changed, n_direct = replace(changed, n_named=0), changed.n_named
    else:
        n_direct = len(scope.segment_ids)
    return [_propagated(tx, event, entry, changed, n_direct=n_direct)]


def _propagated(
    tx: Transaction, event: LabelRecorded, entry: Entry, changed: naming.Spread, *, n_direct: int
) -> LabelsPropagated:
    """Write onto the entry how far the statement got."""
    counts = {"n_direct": n_direct, "n_cluster": changed.n_named, "n_identified": changed.n_identified}
    labels.describe(tx, entry, {**counts, "n_looked_at": changed.n_looked_at, "n_lost": changed.n_lost})
    return LabelsPropagated(label_id=event.label_id, collection=event.collection, **counts)


def forget(work: Work, settings: ClustererSettings) -> None:
    """After segments are gone: clusters and names that rested on them follow."""
    removed = [d.event for d in work.delivered if isinstance(d.event, SegmentsRemoved)]
    with work.commit() as commit:
        forgetting.forget(commit.tx, removed, settings)


def switch(work: Work, settings: ClustererSettings) -> None:
    """After a backfill that a switch waits for: the encoder names from now on. Most backfills are for no switch."""
    for delivered in work.delivered:
        event = delivered.event
        assert isinstance(event, BackfillFinished)
        with work.database.begin() as tx:
            wanted = switches.waiting(tx, event.backfill_id)
        if wanted is not None:
            _switch(work, delivered, wanted, settings)
            continue
        with work.commit([delivered]):
            pass


def _switch(work: Work, delivered: Delivered, wanted: Switch, settings: ClustererSettings) -> None:
    try:
        found = switching.prepare(work.database, wanted.collection, wanted.encoder)
    except PermanentError as error:
        with work.commit([delivered]) as commit:
            switches.fail(commit.tx, wanted.switch_id, error)
        return
    with work.commit([delivered]) as commit:
        labels.lock_names(commit.tx, wanted.collection)
        if switches.waiting(commit.tx, wanted.backfill_id):  # nobody has asked for another one meanwhile
            for follows in switching.carry_out(commit.tx, wanted, found, settings):
                commit.publish(follows, cause=delivered)


def compare_encoders(work: Work, settings: ClustererSettings) -> None:
    """Compare two encoders on the labels of a collection, and change nothing."""
    for delivered in work.delivered:
        event = delivered.event
        assert isinstance(event, ComparisonRequested)
        with work.database.begin() as tx:
            trial = encoder_comparisons.get(tx, event.comparison_id)
        try:
            result = encoder_comparison.compare(work.database, trial.collection, trial.encoders, settings)
        except PermanentError as error:
            with work.commit([delivered]) as commit:
                encoder_comparisons.fail(commit.tx, event.comparison_id, error)
            continue
        with work.commit([delivered]) as commit:
            encoder_comparisons.write(commit.tx, event.comparison_id, result)


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
