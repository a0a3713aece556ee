"""What became of the objects of a collection: the rejected ones with their reason."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from services.console.api.shapes import Asked, CollectionName, Page, Paging, Shown
from services.console.auth import Requires
from services.console.deps import ConsoleDep
from shared.storage import collections, listing

router = APIRouter(tags=["objects"], dependencies=[Depends(Requires("read", "ingest"))])


ObjectState = Literal["seen", "registered", "archive", "rejected"]


class ObjectShown(Shown):
    """An object of the bucket. `status` is what an uploader waits for; a key that nobody has seen yet is pending.

    An archive that is `unpacked` has members, which are objects of their own (`GET .../archives`).
    """

    object_key: str = Field(examples=["meetings/monday/standup.wav"])
    state: ObjectState | None
    status: Literal["pending", "ready", "unpacked", "rejected"]
    recording_id: UUID | None
    code: str | None
    reason: str | None
    segments: int | None
    etag: str | None
    size_bytes: int | None
    seen_at: datetime | None = Field(description="when the watcher saw that these bytes were put")


class ObjectsShown(Shown):
    """One for each key, in their order."""

    items: list[ObjectShown]


class WantedObjects(Asked):
    """Keys to look up."""

    object_keys: Annotated[list[str], Field(max_length=1000, examples=[["meetings/monday/standup.wav"]])]


@router.post("/v1/collections/{collection}/objects/query")
def query(console: ConsoleDep, collection: CollectionName, wanted: WantedObjects) -> ObjectsShown:
    """The objects under these keys."""
    with console.database.begin() as tx:
        collections.get(tx, collection)
        rows = listing.objects_by_key(tx, collection, wanted.object_keys)
    return ObjectsShown(items=[ObjectShown.model_validate(row) for row in rows])


@router.get("/v1/collections/{collection}/objects")
def objects(
    console: ConsoleDep,
    collection: CollectionName,
    paging: Annotated[Paging, Depends()],
    state: Annotated[ObjectState | None, Query()] = None,
) -> Page[ObjectShown]:
    """By key in byte order."""
    name = f"objects:{collection}:{state}"
    start = paging.start(name)
    with console.database.begin() as tx:
        collections.get(tx, collection)
        after = "" if start is None else str(start[0])
        rows = listing.objects(tx, collection, after=after, state=state or "", most=paging.most)
    return paging.page(name, rows, ObjectShown.model_validate, lambda row: (row.object_key,))
