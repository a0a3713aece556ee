"""The event log as server-sent events."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from services.console.auth import Requires
from services.console.deps import Console, ConsoleDep
from services.console.stream import frames, wanted
from shared.ledger import stream
from shared.ledger.stream import Position

router = APIRouter(tags=["events"], dependencies=[Depends(Requires("read"))])


@router.get(
    "/v1/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "CloudEvents 1.0 as JSON, one an event"}},
)
async def events(
    console: ConsoleDep,
    last_event_id: Annotated[UUID | None, Header(description="resume after this event")] = None,
    resume_after: Annotated[UUID | None, Query(alias="last_event_id", description="the same, in the address")] = None,
    collection: Annotated[str | None, Query(description="only what happens in this collection")] = None,
    types: Annotated[str | None, Query(examples=["recording.registered,labels.propagated"])] = None,
) -> StreamingResponse:
    """What happens from now on, or after the named event; ends when the client does."""
    filters = wanted(collection, types)
    position = await run_in_threadpool(_begin, console, last_event_id or resume_after)
    return StreamingResponse(
        frames(console.hub, position, filters),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},  # nginx would hold events back
    )


def _begin(console: Console, last_event_id: UUID | None) -> Position:
    with console.database.begin() as tx:
        return stream.present(tx) if last_event_id is None else stream.after_event(tx, last_event_id)
