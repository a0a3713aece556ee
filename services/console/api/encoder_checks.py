"""How an encoder does on the machine of its workers: asked for here, measured there."""

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends

from services.console.api.shapes import Asked, Shown
from services.console.auth import Requires
from services.console.deps import ConsoleDep
from shared.ledger.outbox import announce, publish
from shared.storage import encoders

router = APIRouter(tags=["models"], dependencies=[Depends(Requires("ingest", "label"))])


class WantedCheck(Asked):
    """Nothing to choose yet."""


class CheckRequested(Shown):
    """What to ask for the outcome with."""

    check_id: UUID


class CheckShown(Shown):
    """A check; the result comes when it is done."""

    state: Literal["requested", "done"]
    result: dict[str, Any] | None


@router.post("/v1/encoders/{name}/checks", status_code=202)
def request(console: ConsoleDep, name: str, wanted: WantedCheck) -> CheckRequested:
    """Run the conformance checks of an encoder where it works."""
    del wanted
    with console.database.begin() as tx:
        event = encoders.request_check(tx, name)
        publish(tx, [announce(event)])
    return CheckRequested(check_id=event.check_id)


@router.get("/v1/encoder-checks/{check_id}")
def outcome(console: ConsoleDep, check_id: UUID) -> CheckShown:
    """What a check found."""
    with console.database.begin() as tx:
        result = encoders.check_result(tx, check_id)
    return CheckShown(state="requested" if result is None else "done", result=result)
