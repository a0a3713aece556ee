"""Whether the process lives, whether the stack can work, and how it stands."""

from typing import Final

from fastapi import APIRouter, Response

from services.console.api import models
from services.console.api.models import EncoderTrouble
from services.console.api.shapes import Shown
from services.console.auth import Reader
from services.console.deps import ConsoleDep
from shared.errors import TransientError
from shared.ledger import dead
from shared.storage import collections, encoders, orphans, overview, renditions
from shared.storage.database import Transaction

router = APIRouter(tags=["status"])

NEEDED_SERVICES: Final = ("relay", "reconciler", "watch", "ingest", "embedder", "clusterer")
FRESH_S: Final = 15.0
_REMEMBERED_S: Final = 600.0


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


class Status(Shown):
    """How the whole stands."""

    services: dict[str, Service]
    backlog: Backlog
    recordings: Recordings
    derived: Derived
    collections: int
    troubles: list[CollectionTrouble]


@router.get("/v1/health/live")
def live() -> Live:
    """Answers as long as the process does; needs no token."""
    return Live()


@router.get("/v1/health/ready", responses={503: {"model": Ready}})
def ready(console: ConsoleDep, response: Response) -> Ready:
    """200 when an upload would be worked on from end to end, else 503; needs no token."""
    try:
        missing = _missing(console)
    except TransientError:
        missing = ["database"]
    if missing:
        response.status_code = 503
    return Ready(status="not ready" if missing else "ready", missing=missing)


def _missing(console: ConsoleDep) -> list[str]:
    with console.database.begin() as tx:
        seen = overview.services(tx, FRESH_S)
        missing = [service for service in NEEDED_SERVICES if service not in seen]
        if not encoders.encoders(tx):
            missing.append("encoders")
        if not encoders.segmenters(tx):
            missing.append("segmenters")
    return missing


@router.get("/v1/status")
def status(console: ConsoleDep, _: Reader) -> Status:
    """Services, backlog and counts of everything."""
    with console.database.begin() as tx:
        return Status(
            services={
                name: Service.model_validate(seen) for name, seen in overview.services(tx, _REMEMBERED_S).items()
            },
            backlog=Backlog(**dead.backlog(tx)),
            recordings=Recordings(**overview.recordings(tx)),
            derived=Derived(condemned=orphans.n_condemned(tx), not_rendered=renditions.n_failed(tx)),
            collections=overview.n_collections(tx),
            troubles=_troubles(tx),
        )


def _troubles(tx: Transaction) -> list[CollectionTrouble]:
    users: dict[str, list[str]] = {}
    for collection in collections.listing(tx):
        for name in collection.encoders:
            users.setdefault(name, []).append(collection.name)
    found = models.troubles(tx, users.keys())
    return [CollectionTrouble(**one.model_dump(), collections=users[one.encoder]) for one in found]
