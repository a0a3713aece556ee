"""Collections: make one, look at it, list them."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from services.console.api import models
from services.console.api.health import Backlog, Recordings, missing_now
from services.console.api.models import EncoderTrouble
from services.console.api.pauses import PauseShown
from services.console.api.shapes import Asked, CollectionName, Shown
from services.console.auth import Reader, Requires
from services.console.deps import ConsoleDep
from shared import speaker_counts
from shared.ledger import pauses, waiting
from shared.settings import Settings
from shared.storage import collections, encoder_purge, encoders, labels, listing_labels, overview, progress
from shared.storage.collections import Collection, UnknownCollection
from shared.storage.database import Transaction

router = APIRouter(tags=["collections"])

EncoderNames = Annotated[list[str], Field(min_length=1, max_length=16, examples=[["ge2e"]])]


def _speakers(text: str | None) -> str | None:
    if text is not None:
        speaker_counts.parse(text)
    return text.strip() if text else None


Speakers = Annotated[
    str | None,
    Field(
        description="how many speakers a recording has, N or MIN-MAX; else the segmenter finds out", examples=["2-4"]
    ),
]


class WantedSettings(Asked):
    """What a collection shall be worked on with; what is left out keeps what stands, or takes the default."""

    segmenter: str | None = Field(None, examples=["vad"])
    encoders: EncoderNames | None = None
    speakers: Speakers = None


class NewCollection(WantedSettings):
    """A collection to make."""

    name: str = Field(examples=["meetings"])


class CollectionShown(Shown):
    """A bucket prefix and how its audio is worked on."""

    name: str
    segmenter: str
    encoders: list[str]
    speakers: str | None
    weight: int
    created_at: datetime


class CollectionChange(Asked):
    """What shall be otherwise from now on."""

    weight: int = Field(ge=1, le=100, description="deliveries in a turn, beside other collections", examples=[3])


class CollectionDetail(CollectionShown):
    """And how far it is."""

    recordings: Recordings
    troubles: list[EncoderTrouble]


class CollectionList(Shown):
    """All collections, by name."""

    items: list[CollectionShown]


@router.get("/v1/collections")
def listing(console: ConsoleDep, caller: Reader) -> CollectionList:
    """All collections, by name."""
    with console.database.begin() as tx:
        found = [c for c in collections.listing(tx) if caller.sees(c.name)]
    return CollectionList(items=[CollectionShown.model_validate(c) for c in found])


@router.post(
    "/v1/collections",
    status_code=201,
    dependencies=[Depends(Requires("ingest"))],
    responses={200: {"model": CollectionShown, "description": "it stands already, with these settings"}},
)
def create(console: ConsoleDep, new: NewCollection, response: Response) -> CollectionShown:
    """Make a collection; with the settings of one that stands already, nothing happens."""
    with console.database.begin() as tx:
        if standing(tx, new.name) is not None:
            response.status_code = 200
        return CollectionShown.model_validate(ensure(tx, console.settings, new.name, new))


@router.get("/v1/collections/{collection}")
def show(console: ConsoleDep, _: Reader, collection: CollectionName) -> CollectionDetail:
    """One collection and how many of its recordings are in each state."""
    with console.database.begin() as tx:
        found = collections.get(tx, collection)
        counts = Recordings(**overview.recordings(tx, [collection]))
        shown = CollectionShown.model_validate(found).model_dump()
        return CollectionDetail(**shown, recordings=counts, troubles=models.troubles(tx, found.encoders))


@router.patch("/v1/collections/{collection}", dependencies=[Depends(Requires("admin"))])
def change(console: ConsoleDep, collection: CollectionName, wanted: CollectionChange) -> CollectionShown:
    """Give it more or fewer turns beside other collections that have work to do."""
    with console.database.begin() as tx:
        return CollectionShown.model_validate(collections.weigh(tx, collection, wanted.weight))


class FaultShown(Shown):
    """Why some of its work was given up (`dead`), or will be tried again; the reason is that of the newest."""

    subscription: str = Field(examples=["embedder.embed"])
    state: Literal["pending", "queued", "leased", "dead"]
    code: str = Field(examples=["missing_model"])
    reason: str
    deliveries: int


class WaitingShown(Shown):
    """What still has to be done for a collection, what went wrong with it, and what holds it up.

    `missing` is that of `GET /v1/health/ready`.
    """

    backlog: Backlog
    faults: list[FaultShown]
    pauses: list[PauseShown]
    missing: list[str]


@router.get("/v1/collections/{collection}/work", dependencies=[Depends(Requires("read", "ingest", "label"))])
def work(console: ConsoleDep, collection: CollectionName) -> WaitingShown:
    """Its deliveries by state, and the errors of those that failed. Dear while much waits: do not ask in a loop."""
    missing = missing_now(console)
    with console.database.begin() as tx:
        collections.get(tx, collection)
        found = waiting.of_collection(tx, collection)
        return WaitingShown(
            backlog=Backlog(**found.backlog),
            faults=[FaultShown.model_validate(fault) for fault in found.faults],
            pauses=[PauseShown.model_validate(one) for one in pauses.touching(tx, collection)],
            missing=missing,
        )


class EncoderDropped(Shown):
    """`ready` counts recordings that had waited for nothing but this encoder, `purged` vectors that were deleted."""

    encoders: list[str]
    ready: int
    purged: int


@router.delete("/v1/collections/{collection}/encoders/{encoder}", dependencies=[Depends(Requires("ingest"))])
def drop_encoder(
    console: ConsoleDep,
    collection: CollectionName,
    encoder: str,
    purge: Annotated[bool, Query(description="delete what it has made of the collection, for good")] = False,  # noqa: FBT002  # of the query
) -> EncoderDropped:
    """Let arrivals do without an encoder that does not make the names; vectors that are there stay, unless purged."""
    with console.database.begin() as tx:
        labels.lock_names(tx, collection)  # before the collection's row: that is the clusterer's order
        dropped = collections.drop_encoder(tx, collection, encoder)
        ready = progress.forget_encoder(tx, collection, encoder) if dropped or purge else 0
        purged = encoder_purge.purge(tx, collection, encoder) if purge else 0
        return EncoderDropped(encoders=list(collections.get(tx, collection).encoders), ready=ready, purged=purged)


class SpeakerHeard(Shown):
    """A speaker of the collection and how many of its segments are theirs."""

    name: str
    segments: int


class NamingShown(Shown):
    """How far a collection is named; `suggested` counts unnamed segments for which somebody is suggested."""

    segments: int
    named: int
    by_hand: int
    suggested: int
    speakers: list[SpeakerHeard]


@router.get("/v1/collections/{collection}/naming")
def naming(console: ConsoleDep, _: Reader, collection: CollectionName) -> NamingShown:
    """How far it is named, and who is heard in it."""
    with console.database.begin() as tx:
        collections.get(tx, collection)
        return NamingShown.model_validate(listing_labels.naming(tx, collection))


def ensure(tx: Transaction, settings: Settings, name: str, wanted: WantedSettings) -> Collection:
    """The collection with the settings that are asked for, made if need be.

    Raises UnknownSegmenter, UnknownEncoder, UnclearSpeakers, BadCollectionName, CollectionDiffers.
    """
    collections.check_name(name)
    encoders.check_names(tx, wanted.segmenter, wanted.encoders or ())
    found = standing(tx, name)
    segmenter, encoder_names = settings.ingest.default_segmenter, settings.embedder.default_encoders
    speakers = _speakers(wanted.speakers)
    if found is not None:
        segmenter, encoder_names = found.segmenter, found.encoders
        speakers = speakers or found.speakers
    asked_for = tuple(dict.fromkeys(wanted.encoders)) if wanted.encoders else encoder_names
    return collections.create(tx, name, wanted.segmenter or segmenter, asked_for, speakers)


def standing(tx: Transaction, name: str) -> Collection | None:
    """The collection of that name, if there is one."""
    try:
        return collections.get(tx, name)
    except UnknownCollection:
        return None
