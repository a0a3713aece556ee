"""Clusters of a collection, and the request for fresh ones."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from services.console.admission import CLUSTERING, admit
from services.console.api.shapes import Asked, CollectionName, Page, Paging, Shown
from services.console.auth import Labeller, Requires
from services.console.deps import ConsoleDep
from shared.errors import Conflict, InvalidRequest
from shared.ledger.outbox import announce, publish
from shared.storage import (
    clustering_members,
    clusters,
    collections,
    embeddings,
    encoders,
    listing_labels,
    overview,
    subsets,
)
from shared.storage.database import Transaction

router = APIRouter(tags=["clusters"])


class EncoderNotUsed(InvalidRequest):
    """Cluster by one of the collection's own encoders; `earmark collections show NAME` lists them."""

    code = "encoder_not_used"


class BackfillFirst(Conflict):
    """The encoder has a new space, in which most of the collection has no vectors: `earmark backfill` embeds it."""

    code = "backfill_first"


class SubsetStands(InvalidRequest):
    """The clusters that stand are those of a whole collection: leave out either the subset or that they be applied."""

    code = "subset_stands"


class SpeakerInCluster(Shown):
    """A speaker and how many members of a cluster people, imports or the cluster itself gave to them."""

    name: str
    segments: int


class ClusterShown(Shown):
    """Segments that sound like one voice; `speaker` is whom most of the named members belong to.

    `speakers` are all whom members belong to: more than one where people named several voices in it.

    `cohesion` is the mean cosine of a member to the rest, what all voices share taken away. `trust` holds `margin` (by
    how much that exceeds the cosine to the nearest other cluster), `stability` (how much of it comes back when half of
    the segments are left out, 0 to 1) and `exemplars` (the most typical segments, of different recordings first).
    """

    cluster_id: UUID
    segments: int
    recordings: int
    speaker: str | None
    speakers: list[SpeakerInCluster]
    cohesion: float
    exemplar_segment_id: UUID
    trust: dict[str, Any]


Method = Literal["auto", "density", "hdbscan", "spectral", "agglomerative"]


class WantedClustering(Asked):
    """The encoder to cluster by, the collection's first one if it is left out; and a method, for comparison.

    What another method than `auto` finds is compared with the clusters that stand, and takes their place with `apply`.
    So is what is found of a `subset` alone, by whatever encoder its recordings are embedded; its clusters are numbers.
    """

    encoder: str | None = Field(None, examples=["ge2e"])
    method: Method | None = Field(None, description="to compare with; `auto` needs no parameter and is the default")
    apply: bool = False
    subset: str | None = Field(None, description="the segments of its recordings alone", examples=["pilot"])


class ClusteringRequested(Shown):
    """What to ask for the outcome with."""

    request_id: UUID


class ClusterCounts(Shown):
    """How many clusters there are, and how many segments are in none."""

    clusters: int
    noise: int


class ClusteringShown(Shown):
    """A clustering; the numbers come when it is done. Segments `without_vector` of the encoder are in no cluster.

    One that was not `applied` has no generation. It shows what is `standing` for the same segments, and their
    `agreement`: the adjusted Rand index, noise as singletons; null where nothing stands. One that `failed` says why.
    """

    request_id: UUID
    state: Literal["requested", "done", "failed"]
    generation: int | None
    clusters: int | None
    noise: int | None
    segments: int | None
    without_vector: int | None = None
    method: Method
    applied: bool
    standing: ClusterCounts | None
    agreement: float | None
    code: str | None
    reason: str | None


@router.get("/v1/collections/{collection}/clusters", dependencies=[Depends(Requires("read"))])
def standing(
    console: ConsoleDep,
    collection: CollectionName,
    paging: Annotated[Paging, Depends()],
    encoder: Annotated[str | None, Query(description="in whose space; else the collection's first")] = None,
) -> Page[ClusterShown]:
    """The largest first."""
    name = f"clusters:{collection}:{encoder}"
    start = paging.start(name)
    after = {} if start is None else {"after": (int(start[0]), UUID(str(start[1])))}
    with console.database.begin() as tx:
        space = _encoder(tx, collection, encoder)
        rows = listing_labels.clusters(tx, collection, space, most=paging.most, **after)
    return paging.page(name, rows, ClusterShown.model_validate, lambda row: (row.segments, str(row.cluster_id)))


def _encoder(tx: Transaction, collection: str, wanted: str | None) -> str:
    """One of the collection's own, the first unless another is named. Raises UnknownEncoder, EncoderNotUsed."""
    offered = collections.get(tx, collection).encoders
    if wanted is None:
        return offered[0]
    encoders.by_name(tx, wanted)
    if wanted not in offered:
        raise EncoderNotUsed(f"{collection!r} is not embedded by {wanted!r}; it has {', '.join(offered)}.")
    return wanted


@router.post("/v1/collections/{collection}/clusterings", status_code=202)
def request(
    console: ConsoleDep, _: Labeller, collection: CollectionName, wanted: WantedClustering
) -> ClusteringRequested:
    """Ask for fresh clusters; the answer comes with the event `clusters.updated`."""
    with console.database.begin() as tx:
        admit(tx, console.settings.console, collection, CLUSTERING)
        asked = wanted.model_dump(include={"method", "apply"}, exclude_defaults=True)
        if wanted.subset is not None:
            encoder = wanted.encoder or collections.get(tx, collection).encoders[0]
            asked |= _of_subset(tx, collection, wanted)
        else:
            encoder = _encoder(tx, collection, wanted.encoder)
        stored = encoders.by_name(tx, encoder)
        if wanted.subset is None and embeddings.outdated(tx, stored, collection):
            raise BackfillFirst(f"Most of {collection!r} has vectors of an older {encoder!r} only.")
        event = clusters.request(tx, collection, encoder, asked)
        publish(tx, [announce(event)])
    return ClusteringRequested(request_id=event.request_id)


def _of_subset(tx: Transaction, collection: str, wanted: WantedClustering) -> dict[str, str]:
    """Raises UnknownSubset, SubsetStands."""
    assert wanted.subset is not None
    if wanted.apply:
        raise SubsetStands(f"{wanted.subset!r} is a part of {collection!r}.")
    return {"subset": wanted.subset, "subset_id": str(subsets.by_name(tx, collection, wanted.subset).subset_id)}


class ClusteredSegment(Shown):
    """A segment and the number of its cluster, null if it is in none; `probability` is how firmly it belongs there."""

    segment_id: UUID
    recording_id: UUID
    object_key: str | None
    start_s: float
    end_s: float
    text: str | None
    cluster: int | None
    probability: float


@router.get("/v1/clusterings/{request_id}/segments", dependencies=[Depends(Requires("read"))])
def of_subset(console: ConsoleDep, request_id: UUID, paging: Annotated[Paging, Depends()]) -> Page[ClusteredSegment]:
    """Who is in which cluster, of a clustering of a subset: of each subset and encoder the newest one is kept."""
    name = f"clustering:{request_id}"
    start = paging.start(name)
    after = UUID(int=0) if start is None else UUID(str(start[0]))
    with console.database.begin() as tx:
        overview.clustering(tx, request_id)
        rows = clustering_members.members(tx, request_id, after=after, most=paging.most)
    return paging.page(name, rows, ClusteredSegment.model_validate, lambda row: (str(row.segment_id),))


@router.get("/v1/clusterings/{request_id}", dependencies=[Depends(Requires("read", "label"))])
def outcome(console: ConsoleDep, request_id: UUID) -> ClusteringShown:
    """Whether it is done, and what was found."""
    with console.database.begin() as tx:
        shown = ClusteringShown.model_validate(overview.clustering(tx, request_id))
        return shown.model_copy(update={"without_vector": clustering_members.without_vector(tx, request_id)})
