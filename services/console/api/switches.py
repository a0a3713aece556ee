"""Have another encoder name a collection: asked for here, done by embedder and clusterer."""

from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import Field

from services.console.api.shapes import Asked, CollectionName, Shown
from services.console.auth import Labeller, Requires
from services.console.deps import ConsoleDep
from shared.ledger.outbox import announce, publish
from shared.storage import backfills, label_states, switches
from shared.storage.database import Transaction
from shared.storage.switches import Switch

router = APIRouter(tags=["collections"])


class WantedSwitch(Asked):
    """The encoder that shall name."""

    encoder: str = Field(examples=["ecapa"])


class SwitchShown(Shown):
    """How far a switch is: `embedding` until every segment has its vector (`done` of `wanted`), then `clustering`.

    `unreadable` segments never will: their audio is gone, or cannot be made at the encoder's rate.

    When it is done, `label_id` is its entry in the label log, which can be undone, `before` who named until then, and
    `changed` how many segments have another name, or none, or one at all. `superseded`: another one was asked for.
    """

    switch_id: UUID
    collection: str
    encoder: str
    before: str | None
    state: Literal["embedding", "clustering", "done", "failed", "superseded"]
    wanted: int
    done: int
    unreadable: int
    label_id: UUID | None
    taken_back: bool
    changed: int
    code: str | None
    reason: str | None


@router.post("/v1/collections/{collection}/switches", status_code=202, dependencies=[Depends(Requires("ingest"))])
def request(console: ConsoleDep, caller: Labeller, collection: CollectionName, wanted: WantedSwitch) -> SwitchShown:
    """Embed what lacks a vector, cluster, and let the encoder name. Asked again, it is the same switch."""
    with console.database.begin() as tx:
        asked, event = switches.request(tx, collection, wanted.encoder, caller.name)
        publish(tx, [announce(event)] if event else [])
        return _shown(tx, asked)


@router.get("/v1/switches/{switch_id}", dependencies=[Depends(Requires("read", "label"))])
def progress(console: ConsoleDep, switch_id: UUID) -> SwitchShown:
    """How far it is."""
    with console.database.begin() as tx:
        return _shown(tx, switches.get(tx, switch_id))


def _shown(tx: Transaction, found: Switch) -> SwitchShown:
    backfill = backfills.state(tx, found.backfill_id)
    under_way: Literal["embedding", "clustering"] = "clustering" if backfill.state == "done" else "embedding"
    return SwitchShown(
        switch_id=found.switch_id,
        collection=found.collection,
        encoder=found.encoder,
        before=found.before,
        state=under_way if found.state == "requested" else found.state,
        wanted=backfill.wanted,
        done=backfill.done,
        unreadable=backfill.unreadable,
        label_id=found.label_id,
        taken_back=found.taken_back,
        changed=label_states.label_state(tx, found.label_id).changed if found.label_id else 0,
        code=found.code,
        reason=found.reason,
    )
