"""The audit log: who made which changing call, when and from where."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from services.console.api.shapes import Page, Paging, Shown, Time
from services.console.auth import Requires
from services.console.deps import ConsoleDep
from shared.storage import audit, collections

router = APIRouter(tags=["audit"], dependencies=[Depends(Requires("admin"))])


class AuditEntry(Shown):
    """A call that changed something, or was refused; `correlation_id` is also that of the events that followed."""

    at: datetime
    actor: str
    address: str | None
    method: str
    route: str
    collection: str | None
    ids: dict[str, Any]
    status: int
    correlation_id: UUID


@router.get("/v1/audit")
def listing(
    console: ConsoleDep,
    paging: Annotated[Paging, Depends()],
    collection: Annotated[str | None, Query(description="only calls that were about it")] = None,
    since: Annotated[Time | None, Query(description="a time with its offset, such as 2026-11-21T13:00:00Z")] = None,
) -> Page[AuditEntry]:
    """The newest first."""
    name = f"audit:{collection}:{since}"
    start = paging.start(name)
    before = None if start is None else int(start[0])
    with console.database.begin() as tx:
        rows = audit.listing(tx, collection=collection, since=since, before=before, most=paging.most)
        if collection is not None and not rows:  # a call that was refused may have been about one that there is not
            collections.get(tx, collection)
    return paging.page(name, rows, AuditEntry.model_validate, lambda row: (row.seq,))
