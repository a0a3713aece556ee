"""Two encoders compared on a collection's own labels: asked for here, thought out by the clusterer."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import Field

from services.console.admission import CLUSTERING, admit
from services.console.api.shapes import Asked, CollectionName, Shown
from services.console.auth import Requires
from services.console.deps import ConsoleDep
from shared.ledger.outbox import announce, publish
from shared.storage import encoder_comparisons
from shared.storage.encoder_comparisons import State

router = APIRouter(tags=["encoders"])


class WantedComparison(Asked):
    """The one that names now, most often, and the one that might."""

    encoders: Annotated[tuple[str, str], Field(examples=[["ge2e", "ecapa"]])]


class ComparisonRequested(Shown):
    """What to ask for the outcome with."""

    comparison_id: UUID


class ComparisonShown(Shown):
    """A comparison; `result` comes when it is done, and holds `code` and `reason` if it failed.

    For each of `encoders`: `lacking` labelled segments have no vector in its space (they count for neither);
    `eer_percent` over `pairs` of labelled segments; `identification`, the shares of labelled segments that are named
    right, wrong or not at all without their own label; `clustering` against the labels; and `curve`, the error rates
    (false alarm, miss) from threshold to threshold. `changes`: whose name would be another one if the second named.
    """

    comparison_id: UUID
    collection: str
    encoders: tuple[str, ...]
    state: State
    result: dict[str, Any] | None


@router.post("/v1/collections/{collection}/comparisons", status_code=202, dependencies=[Depends(Requires("label"))])
def request(console: ConsoleDep, collection: CollectionName, wanted: WantedComparison) -> ComparisonRequested:
    """Compare two encoders on what people and imports said. Nothing changes."""
    with console.database.begin() as tx:
        admit(tx, console.settings.console, collection, CLUSTERING)
        event = encoder_comparisons.request(tx, collection, wanted.encoders)
        publish(tx, [announce(event)])
    return ComparisonRequested(comparison_id=event.comparison_id)


@router.get("/v1/comparisons/{comparison_id}", dependencies=[Depends(Requires("read", "label"))])
def outcome(console: ConsoleDep, comparison_id: UUID) -> ComparisonShown:
    """Whether it is done, and what was found."""
    with console.database.begin() as tx:
        return ComparisonShown.model_validate(encoder_comparisons.get(tx, comparison_id))
