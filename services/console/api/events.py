"""The event log as server-sent events."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from services.console.auth import Reader, StillValidDep
from services.console.deps import Console, ConsoleDep
from services.console.stream import Wanted, frames, wanted
from shared.ledger import stream
from shared.ledger.stream import Position
from shared.storage import collections

router = APIRouter(tags=["events"])


@router.get(
    "/v1/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "CloudEvents 1.0 as JSON, one an event"}},
)
async def events(
    console: ConsoleDep,
    caller: Reader,
    is_valid: StillValidDep,
    last_event_id: Annotated[UUID | None, Header(description="resume after this event")] = None,
    resume_after: Annotated[UUID | None, Query(alias="last_event_id", description="the same, in the address")] = None,
    collection: Annotated[str | None, Query(description="only what happens in this collection")] = None,
    types: Annotated[str | None, Query(examples=["recording.registered,labels.propagated"])] = None,
    begin: Annotated[Literal["now", "start"], Query(description="where, if no event is named to begin after")] = "now",
    newest: Annotated[int | None, Query(ge=0, le=100_000, description="begin so many of the events back")] = None,
    follow: Annotated[bool, Query(description="go on with what happens; else end with what has")] = True,  # noqa: FBT002
) -> StreamingResponse:
    """What happens from now on, after the named event, or from further back, until client or token end."""
    filters = wanted(collection, types, caller.collections)
    position = await run_in_threadpool(_begin, console, last_event_id or resume_after, begin, newest, filters)
    return StreamingResponse(
        frames(console.hub, position, filters, is_valid, follow=follow),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},  # nginx would hold events back
    )


def _begin(console: Console, after: UUID | None, begin: str, newest: int | None, filters: Wanted) -> Position:
    """An event that is named counts most: a browser that resumes asks at the same address as before.

    Raises UnknownCollection.
    """
    with console.database.begin() as tx:
        if filters.collection is not None:
            collections.get(tx, filters.collection)
        if after is not None:
            return stream.after_event(tx, after)
        if newest is not None:
            return stream.before_newest(tx, newest, filters.types, filters.collection)
        return stream.beginning() if begin == "start" else stream.present(tx)
