"""Whether the process lives, whether the stack can work, and how it stands."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final, Literal

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
from shared.storage.overview import ServiceSeen

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
    """The instances of one service; `seen_s_ago` is null of one that nobody remembers."""

    state: Literal["seen", "not_seen"]
    instances: int
    seen_s_ago: float | None


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
    """How the whole stands; `waiting` has the collections with the longest backlogs.

    `services` has each that is needed, seen or not; `missing` is that of `GET /v1/health/ready`.
    """

    services: dict[str, Service]
    missing: list[str] = Field(examples=[["embedder"]])
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
    missing = missing_now(console)
    if missing:
        response.status_code = 503
    return Ready(status="not ready" if missing else "ready", missing=missing)


def missing_now(console: ConsoleDep) -> list[str]:
    """What the stack lacks to work on an upload from end to end; at most two seconds old."""
    return console.missing.get(partial(_missing, console), READY_KEPT_S)


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
    missing = missing_now(console)
    with console.database.begin() as tx:
        loads = load.measure(tx, within)
        seen = [one for one in collections.listing(tx) if caller.sees(one.name)]
        return Status(
            services=_services(tx),
            missing=missing,
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


def _services(tx: Transaction) -> dict[str, Service]:
    """One that is needed is there even if it was never seen: else nobody would notice that it is away."""
    known = overview.services(tx, REMEMBERED_S)
    return {name: _service(known.get(name)) for name in sorted({*NEEDED_SERVICES, *known})}


def _service(known: ServiceSeen | None) -> Service:
    if known is None:
        return Service(state="not_seen", instances=0, seen_s_ago=None)
    return Service(state="seen" if known.seen_s_ago <= FRESH_S else "not_seen", **asdict(known))


def _counts(one: load.Load) -> dict[str, Any]:
    return {name: value for name, value in asdict(one).items() if name != "name"}


def _troubles(tx: Transaction, seen: Sequence[Collection]) -> list[CollectionTrouble]:
    users: dict[str, list[str]] = {}
    for collection in seen:
        for name in collection.encoders:
            users.setdefault(name, []).append(collection.name)
    found = models.troubles(tx, users.keys())
    return [CollectionTrouble(**one.model_dump(), collections=users[one.encoder]) for one in found]
