"""Recordings of a collection."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends

from services.console.api.attributes import Where, check_found, predicate
from services.console.api.shapes import CollectionName, Page, Paging, Shown, time_and_id
from services.console.auth import Requires
from services.console.deps import ConsoleDep
from shared.storage import collections, listing

router = APIRouter(tags=["recordings"], dependencies=[Depends(Requires("read"))])


class RecordingShown(Shown):
    """A recording; `object_keys` are all the places where its bytes lie, `facts` what the original was.

    `attributes` are those of the first of its keys that has any.
    """

    recording_id: UUID
    object_keys: list[str]
    state: Literal["registered", "segmented", "ready"]
    duration_s: float
    segments: int | None
    speakers: list[str]
    created_at: datetime
    facts: dict[str, Any]
    attributes: dict[str, Any] | None


@router.get("/v1/collections/{collection}/recordings")
def recordings(
    console: ConsoleDep, collection: CollectionName, paging: Annotated[Paging, Depends()], where: Where = ()
) -> Page[RecordingShown]:
    """In the order in which they were registered; with `where`, those whose attributes have all of these values."""
    having = predicate(where)
    name = f"recordings:{collection}:{having}"
    start = paging.start(name)
    with console.database.begin() as tx:
        collections.get(tx, collection)
        after = {} if start is None else {"after": time_and_id(start)}
        rows = listing.recordings(tx, collection, having=having, most=paging.most, **after)
        if not rows:
            check_found(tx, collection, where)
    return paging.page(
        name, rows, RecordingShown.model_validate, lambda row: (row.created_at.isoformat(), str(row.recording_id))
    )
