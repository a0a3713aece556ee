"""Look at what a label would change, then give it, or leave it."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import Field

from services.console.api.labels import LabelRecorded, NewLabel, announced
from services.console.api.shapes import Asked, CollectionName, Page, Paging, Shown, check_speaker, time_and_id
from services.console.auth import Labeller, Requires
from services.console.deps import ConsoleDep
from shared.ledger.outbox import announce, publish
from shared.storage import collections, places, reviews, statements
from shared.storage.places import Place
from shared.storage.reviews import State

router = APIRouter(tags=["reviews"])


class ChangeShown(Shown):
    """Whom a segment would belong to, by whom or by which rule, and whom it belongs to now."""

    segment_id: UUID
    object_key: str | None
    start_s: float | None
    end_s: float | None
    before: str | None
    speaker: str | None
    assigned_by: str | None
    confidence: float | None


class ReviewAsked(Shown):
    """What to ask for the changes with."""

    review_id: UUID


class ReviewShown(Shown):
    """A label that was not given yet, and what it would change; the changes come when they are thought out."""

    review_id: UUID
    collection: str
    speaker: str
    state: State
    failed: str | None
    changes: list[ChangeShown]
    label_id: UUID | None
    discarded_by: str | None
    requested_at: datetime


class ReviewListed(Shown):
    """A review, and how many segments the label would change, if that is thought out."""

    review_id: UUID
    speaker: str
    actor: str
    state: State
    changes: int | None
    label_id: UUID | None
    discarded_by: str | None
    requested_at: datetime


class Applying(Asked):
    """Segments that the label must not reach: each of them is said not to be that speaker's."""

    but: Annotated[tuple[UUID, ...], Field(max_length=10_000)] = ()


@router.post("/v1/reviews", status_code=202)
def request(console: ConsoleDep, caller: Labeller, new: NewLabel) -> ReviewAsked:
    """Ask what a label would change, without giving it."""
    segment_ids = tuple(dict.fromkeys(new.segment_ids or [s for s in (new.segment_id,) if s]))
    asked = reviews.Asked(check_speaker(new.speaker), caller.name, segment_ids, new.cluster_id)
    with console.database.begin() as tx:
        collection = statements.collection_of(tx, segment_ids, new.cluster_id)
        event = reviews.request(tx, collection, asked)
        publish(tx, [announce(event)])
    return ReviewAsked(review_id=event.review_id)


@router.get("/v1/reviews/{review_id}", dependencies=[Depends(Requires("read", "label"))])
def show(console: ConsoleDep, review_id: UUID) -> ReviewShown:
    """What the label would change."""
    with console.database.begin() as tx:
        found = reviews.get(tx, review_id)
        changes = found.changes or []
        lie = places.of_segments(tx, [change.segment_id for change in changes])
    return ReviewShown(
        review_id=found.review_id,
        collection=found.collection,
        speaker=found.asked.speaker,
        state=found.state,
        failed=found.failed,
        changes=[_change(change, lie.get(change.segment_id)) for change in changes],
        label_id=found.label_id,
        discarded_by=found.discarded_by,
        requested_at=found.requested_at,
    )


def _change(change: reviews.Change, place: Place | None) -> ChangeShown:
    """A segment that was split or erased meanwhile lies nowhere."""
    return ChangeShown.model_validate(
        {"object_key": None, "start_s": None, "end_s": None, **asdict(change)} | (asdict(place) if place else {})
    )


@router.get("/v1/collections/{collection}/reviews", dependencies=[Depends(Requires("read", "label"))])
def listing(
    console: ConsoleDep, collection: CollectionName, paging: Annotated[Paging, Depends()]
) -> Page[ReviewListed]:
    """The reviews of a collection, the newest first."""
    name = f"reviews:{collection}"
    start = paging.start(name)
    with console.database.begin() as tx:
        collections.get(tx, collection)
        after = None if start is None else time_and_id(start)
        rows = reviews.listing(tx, collection, after=after, most=paging.most)
    return paging.page(name, rows, _listed, lambda row: (row.requested_at.isoformat(), str(row.review_id)))


def _listed(found: reviews.ListedReview) -> ReviewListed:
    return ReviewListed(
        review_id=found.review_id,
        speaker=found.asked.speaker,
        actor=found.asked.actor,
        state=found.state,
        changes=found.n_changes,
        label_id=found.label_id,
        discarded_by=found.discarded_by,
        requested_at=found.requested_at,
    )


@router.post("/v1/reviews/{review_id}/discard", status_code=204)
def discard(console: ConsoleDep, caller: Labeller, review_id: UUID) -> None:
    """Decide not to give the label. The review stays in the list, and cannot be applied any more."""
    with console.database.begin() as tx:
        reviews.discard(tx, review_id, caller.name)


@router.post("/v1/reviews/{review_id}/apply", status_code=202)
def apply(console: ConsoleDep, caller: Labeller, review_id: UUID, wanted: Applying) -> LabelRecorded:
    """Give the label, but for some segments."""
    with console.database.begin() as tx:
        speaker = reviews.get(tx, review_id).asked.speaker
        recorded = reviews.apply(tx, review_id, wanted.but, caller.name)
        return [announced(tx, one, speaker) for one in recorded][-1]
