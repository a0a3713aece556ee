"""Clusters of a collection, and the request for fresh ones."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import Field

from services.console.api.shapes import Asked, CollectionName, Page, Paging, Shown
from services.console.auth import Labeller, Requires
from services.console.deps import ConsoleDep
from shared.errors import Conflict, InvalidRequest
from shared.ledger.outbox import announce, publish
from shared.storage import clusters, collections, embeddings, encoders, listing_labels, overview

router = APIRouter(tags=["clusters"])


class EncoderNotUsed(InvalidRequest):
    """Cluster by one of the collection's own encoders; `earmark collections show NAME` lists them."""

    code = "encoder_not_used"


class BackfillFirst(Conflict):
    """The encoder has a new space, in which most of the collection has no vectors: `earmark backfill` embeds it."""

    code = "backfill_first"


class ClusterShown(Shown):
    """Segments that sound like one voice; `speaker` is whom most of the named members belong to.

    `cohesion` is the mean cosine of a member to the rest, what all voices share taken away. `trust` holds `margin` (by
    how much that exceeds the cosine to the nearest other cluster), `stability` (how much of it comes back when half of
    the segments are left out, 0 to 1) and `exemplars` (the most typical segments, of different recordings first).
    """

    cluster_id: UUID
    segments: int
    recordings: int
    speaker: str | None
    cohesion: float
    exemplar_segment_id: UUID
    trust: dict[str, Any]


Method = Literal["auto", "density", "hdbscan", "spectral", "agglomerative"]


class WantedClustering(Asked):
    """The encoder to cluster by, the collection's first one if it is left out; and a method, for comparison."""

    encoder: str | None = Field(None, examples=["ge2e"])
    method: Method | None = Field(None, description="to compare with; `auto` needs no parameter and is the default")


class ClusteringRequested(Shown):
    """What to ask for the outcome with."""

    request_id: UUID


class ClusteringShown(Shown):
    """A clustering; the numbers come when it is done."""

    request_id: UUID
    state: Literal["requested", "done"]
    generation: int | None
    clusters: int | None
    noise: int | None
    segments: int | None


@router.get("/v1/collections/{collection}/clusters", dependencies=[Depends(Requires("read"))])
def standing(
    console: ConsoleDep, collection: CollectionName, paging: Annotated[Paging, Depends()]
) -> Page[ClusterShown]:
    """The largest first."""
    name = f"clusters:{collection}"
    start = paging.start(name)
    after = {} if start is None else {"after": (int(start[0]), UUID(str(start[1])))}
    with console.database.begin() as tx:
        collections.get(tx, collection)
        rows = listing_labels.clusters(tx, collection, most=paging.most, **after)
    return paging.page(name, rows, ClusterShown.model_validate, lambda row: (row.segments, str(row.cluster_id)))


@router.post("/v1/collections/{collection}/clusterings", status_code=202)
def request(
    console: ConsoleDep, _: Labeller, collection: CollectionName, wanted: WantedClustering
) -> ClusteringRequested:
    """Ask for fresh clusters; the answer comes with the event `clusters.updated`."""
    with console.database.begin() as tx:
        offered = collections.get(tx, collection).encoders
        encoder = wanted.encoder or offered[0]
        encoders.by_name(tx, encoder)
        if encoder not in offered:
            raise EncoderNotUsed(f"{collection!r} is not embedded by {encoder!r}; it has {', '.join(offered)}.")
        if embeddings.outdated(tx, encoders.by_name(tx, encoder), collection):
            raise BackfillFirst(f"Most of {collection!r} has vectors of an older {encoder!r} only.")
        event = clusters.request(tx, collection, encoder, {"method": wanted.method} if wanted.method else {})
        publish(tx, [announce(event)])
    return ClusteringRequested(request_id=event.request_id)


@router.get("/v1/clusterings/{request_id}", dependencies=[Depends(Requires("read", "label"))])
def outcome(console: ConsoleDep, request_id: UUID) -> ClusteringShown:
    """Whether it is done, and what was found."""
    with console.database.begin() as tx:
        return ClusteringShown.model_validate(overview.clustering(tx, request_id))
