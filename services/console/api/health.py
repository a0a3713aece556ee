"""Whether the process lives, whether the stack can work, and how it stands."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Response
from pydantic import Field

from services.console.api import models
from services.console.api.models import EncoderTrouble
from services.console.api.pauses import PauseShown
from services.console.api.shapes import Shown
from services.console.auth import Reader
from services.console.deps import ConsoleDep
from shared.errors import TransientError
from shared.ledger import load, pauses, stalls
from shared.storage import collections, encoders, orphans, overview, renditions
from shared.storage.collections import Collection
from shared.storage.database import Transaction

router = APIRouter(tags=["status"])

NEEDED_SERVICES: Final = ("relay", "reconciler", "watch", "ingest", "embedder", "clusterer")
FRESH_S: Final = 15.0
REMEMBERED_S: Final = 600.0
READY_KEPT_S: Final = 2.0
"""Anybody may ask, as often as they like, and a long backlog may have to be read for the answer."""

_MOST_SHOWN: Final = 10  # collections


class Live(Shown):
    """The process answers."""

    status: str = "live"


class Ready(Shown):
    """Whether everything that a recording needs on its way is there; `missing` says what is not."""

    status: str
    missing: list[str]


class Service(Shown):
    """The instances of one service."""

    instances: int
    seen_s_ago: float


class Backlog(Shown):
    """Deliveries by state."""

    pending: int
    queued: int
    leased: int
    dead: int


class Recordings(Shown):
    """Recordings by state, and rejected files."""

    registered: int
    segmented: int
    ready: int
    rejected: int


class CollectionTrouble(EncoderTrouble):
    """An encoder that cannot embed, and the collections that want it."""

    collections: list[str]


class Derived(Shown):
    """Of the derived bucket: blobs that nobody needs and that are to be deleted, and audio that could not be made.

    That of a recording at a rate that an encoder wants is `not_rendered`; its next backfill tries again.
    """

    condemned: int
    not_rendered: int


class StageShown(Backlog):
    """Deliveries of one stage. `lag_s` is the age of the oldest one that is neither done nor dead."""

    stage: str = Field(examples=["embedder.embed"])
    lag_s: float | None
    drained_per_minute: float = Field(description="in the last minute")
    paused: bool


class CollectionWork(Backlog):
    """Open deliveries of one collection, all stages together; the name is empty where work is about none."""

    collection: str
    lag_s: float | None
    drained_per_minute: float
    paused: bool


class PauseInForce(PauseShown):
    """A pause, and the deliveries that wait for its end."""

    pending: int


class Status(Shown):
    """How the whole stands; `waiting` has the collections with the longest backlogs."""

    services: dict[str, Service]
    backlog: Backlog
    recordings: Recordings
    unpacking: int = Field(description="archives that are being unpacked")
    derived: Derived
    collections: int
    troubles: list[CollectionTrouble]
    stages: list[StageShown]
    waiting: list[CollectionWork]
    pauses: list[PauseInForce]


@router.get("/v1/health/live")
def live() -> Live:
    """Answers as long as the process does; needs no token."""
    return Live()


@router.get("/v1/health/ready", responses={503: {"model": Ready}})
def ready(console: ConsoleDep, response: Response) -> Ready:
    """200 when an upload would be worked on from end to end, else 503; needs no token. At most two seconds old."""
    missing = console.missing.get(partial(_missing, console), READY_KEPT_S)
    if missing:
        response.status_code = 503
    return Ready(status="not ready" if missing else "ready", missing=missing)


def _missing(console: ConsoleDep) -> list[str]:
    try:
        return _looked_for(console)
    except TransientError:
        return ["database"]


def _looked_for(console: ConsoleDep) -> list[str]:
    with console.database.begin() as tx:
        seen = overview.services(tx, FRESH_S)
        missing = [service for service in NEEDED_SERVICES if service not in seen]
        if not encoders.encoders(tx):
            missing.append("encoders")
        if not encoders.segmenters(tx):
            missing.append("segmenters")
        stalled = stalls.stalled(tx, console.settings.console.stalled_after_s)
    return missing + [f"progress of {service}" for service in stalled if service not in missing]


@router.get("/v1/status")
def status(console: ConsoleDep, caller: Reader) -> Status:
    """Services, backlog and counts of everything that the caller may see."""
    within = caller.collections
    with console.database.begin() as tx:
        loads = load.measure(tx, within)
        seen = [one for one in collections.listing(tx) if caller.sees(one.name)]
        return Status(
            services={name: Service.model_validate(seen) for name, seen in overview.services(tx, REMEMBERED_S).items()},
            backlog=Backlog(**loads.backlog()),
            recordings=Recordings(**overview.recordings(tx, within)),
            unpacking=overview.n_unpacking(tx, within),
            derived=Derived(condemned=orphans.n_condemned(tx), not_rendered=renditions.n_failed(tx)),
            collections=len(seen),
            troubles=_troubles(tx, seen),
            stages=[StageShown(stage=one.name, **_counts(one)) for one in loads.stages],
            waiting=[CollectionWork(collection=one.name, **_counts(one)) for one in loads.collections[:_MOST_SHOWN]],
            pauses=[PauseInForce(**asdict(one), pending=loads.held(one)) for one in pauses.listing(tx, within)],
        )


def _counts(one: load.Load) -> dict[str, Any]:
    return {name: value for name, value in asdict(one).items() if name != "name"}


def _troubles(tx: Transaction, seen: Sequence[Collection]) -> list[CollectionTrouble]:
    users: dict[str, list[str]] = {}
    for collection in seen:
        for name in collection.encoders:
            users.setdefault(name, []).append(collection.name)
    found = models.troubles(tx, users.keys())
    return [CollectionTrouble(**one.model_dump(), collections=users[one.encoder]) for one in found]
