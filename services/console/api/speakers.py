"""The people who are named: list, rename, merge, split, erase."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import Field

from services.console.api import labels
from services.console.api.erasures import ReceiptShown, announced
from services.console.api.labels import LabelRecorded
from services.console.api.shapes import Asked, Shown, SpeakerName, check_speaker
from services.console.auth import Admin, Labeller, Reader
from services.console.deps import ConsoleDep
from shared.storage import erasure, overview, people, reversals, statements

router = APIRouter(tags=["speakers"])


class SpeakerShown(Shown):
    """A named speaker; `human` of the segments were named by a person. `also` are the names merged into this one."""

    speaker_id: UUID
    name: str
    also: list[str]
    segments: int
    recordings: int
    human: int


class SpeakerRenaming(Asked):
    """The new name."""

    to: SpeakerName


class SpeakerMerging(Asked):
    """Who becomes one with the speaker; the speaker's own name stays."""

    other: SpeakerName


class SpeakerSplitting(Asked):
    """Which of the speaker's segments are somebody else's, and whose."""

    segment_ids: Annotated[list[UUID], Field(min_length=1, max_length=10_000)]
    to: SpeakerName


class SpeakerRenamed(Shown):
    """The speaker under the new name; ids, labels and vectors are the same as before.

    `label_id` is null if that was the name already; undo it to have the old name again.
    """

    label_id: UUID | None
    speaker_id: UUID
    name: str


@router.get("/v1/speakers")
def listing(
    console: ConsoleDep,
    caller: Reader,
    everybody: Annotated[bool, Query(alias="all", description="also who has no segment now")] = False,  # noqa: FBT002
) -> list[SpeakerShown]:
    """Those who have segments, by name."""
    with console.database.begin() as tx:
        rows = overview.speakers(tx, caller.collections)
    everybody = everybody and caller.collections is None
    return [SpeakerShown.model_validate(row) for row in rows if everybody or row.segments]


@router.post("/v1/speakers/{name:path}/rename")
def rename(console: ConsoleDep, caller: Labeller, name: str, wanted: SpeakerRenaming) -> SpeakerRenamed:
    """Give a speaker another name everywhere; 409 when somebody else has it."""
    to = check_speaker(wanted.to)
    with console.database.begin() as tx:
        label_id = reversals.rename(tx, name, to, actor=caller.name)
        return SpeakerRenamed(label_id=label_id, speaker_id=people.speaker_named(tx, to), name=to)


@router.post("/v1/speakers/{name:path}/merge", status_code=202)
def merge(console: ConsoleDep, caller: Labeller, name: str, wanted: SpeakerMerging) -> LabelRecorded:
    """Declare that another speaker is this one; undo the label to part them again."""
    with console.database.begin() as tx:
        recorded = reversals.merge(tx, name, wanted.other, actor=caller.name)
        return labels.announced(tx, recorded, name)


@router.post("/v1/speakers/{name:path}/split", status_code=202)
def split(console: ConsoleDep, caller: Labeller, name: str, wanted: SpeakerSplitting) -> LabelRecorded:
    """Give some of a speaker's segments to somebody else, as one label."""
    to = check_speaker(wanted.to)
    with console.database.begin() as tx:
        segment_ids = list(dict.fromkeys(wanted.segment_ids))
        recorded = statements.split_speaker(tx, name, segment_ids, to, caller.name)
        return labels.announced(tx, recorded, to)


@router.delete("/v1/speakers/{name:path}")
def erase(
    request: Request,
    console: ConsoleDep,
    caller: Admin,
    name: str,
    recordings: Annotated[bool, Query(description="also all recordings that they are heard in")] = False,  # noqa: FBT002
) -> ReceiptShown:
    """Forget a speaker and everything learned from their voice. There is no way back."""
    with console.database.begin() as tx:
        erased = erasure.erase_speaker(tx, name, caller.name, with_recordings=recordings)
        receipt = announced(tx, erased, request)
    console.shelf.forget(erased.recordings)
    return receipt
