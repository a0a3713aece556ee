"""Backfills: an encoder's vectors for what a collection held before it, asked for here, made by the embedder."""

from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import Field

from services.console.admission import EMBEDDING, admit
from services.console.api.shapes import Asked, CollectionName, Shown
from services.console.auth import Requires
from services.console.deps import ConsoleDep
from shared.ledger.outbox import announce, publish
from shared.storage import backfills

router = APIRouter(tags=["backfills"])


class WantedBackfill(Asked):
    """Whose vectors: of the segments that have none in the encoder's newest space, or of all, those there replaced."""

    encoder: str = Field(examples=["ge2e"])
    everything: bool = False
    subset: str | None = Field(None, description="of its recordings only", examples=["pilot"])


class BackfillRequested(Shown):
    """What to ask for its progress with; `added`: from now on the collection's arrivals get this encoder as well.

    That of a subset adds none.
    """

    backfill_id: UUID
    collection: str
    encoder: str
    space: str
    everything: bool
    added: bool


class BackfillShown(Shown):
    """How far it is, in segments: `wanted` grows while they are being enlisted, `done` is whatever came of them.

    `without_voice` are those done that have no vector and a reason; `unreadable` those whose audio is gone, or cannot
    be made at the encoder's rate. Once it is done, `reasons` counts the collection's segments without one by why not.
    """

    backfill_id: UUID
    collection: str
    encoder: str
    space: str
    everything: bool
    state: Literal["enlisting", "embedding", "done"]
    wanted: int
    done: int
    without_voice: int
    unreadable: int
    reasons: dict[str, int]


@router.post("/v1/collections/{collection}/backfills", status_code=202, dependencies=[Depends(Requires("ingest"))])
def request(console: ConsoleDep, collection: CollectionName, wanted: WantedBackfill) -> BackfillRequested:
    """Embed what a collection holds already; what was done for an earlier request is not done again."""
    with console.database.begin() as tx:
        admit(tx, console.settings.console, collection, EMBEDDING)
        requested = backfills.request(
            tx, collection, wanted.encoder, everything=wanted.everything, subset=wanted.subset
        )
        publish(tx, [announce(requested.event)])
    return BackfillRequested(
        backfill_id=requested.event.backfill_id,
        collection=collection,
        encoder=wanted.encoder,
        space=requested.space,
        everything=wanted.everything,
        added=requested.added,
    )


@router.get("/v1/backfills/{backfill_id}", dependencies=[Depends(Requires("read", "label"))])
def progress(console: ConsoleDep, backfill_id: UUID) -> BackfillShown:
    """How far it is."""
    with console.database.begin() as tx:
        return BackfillShown.model_validate(backfills.state(tx, backfill_id))
