"""The people who are named."""

from uuid import UUID

from fastapi import APIRouter, Depends

from services.console.api.shapes import Asked, Shown, SpeakerName, check_speaker
from services.console.auth import Labeller, Requires
from services.console.deps import ConsoleDep
from shared.storage import overview, renames

router = APIRouter(tags=["speakers"])


class SpeakerShown(Shown):
    """A named speaker; `human` of the segments were named by a person."""

    speaker_id: UUID
    name: str
    segments: int
    recordings: int
    human: int


class SpeakerRenaming(Asked):
    """The new name."""

    to: SpeakerName


class SpeakerRenamed(Shown):
    """The speaker under the new name; ids, labels and vectors are the same as before."""

    speaker_id: UUID
    name: str


@router.get("/v1/speakers", dependencies=[Depends(Requires("read"))])
def listing(console: ConsoleDep) -> list[SpeakerShown]:
    """All of them, by name."""
    with console.database.begin() as tx:
        return [SpeakerShown.model_validate(row) for row in overview.speakers(tx)]


@router.post("/v1/speakers/{name:path}/rename")
def rename(console: ConsoleDep, caller: Labeller, name: str, wanted: SpeakerRenaming) -> SpeakerRenamed:
    """Give a speaker another name everywhere; 409 when somebody else has it."""
    to = check_speaker(wanted.to)
    with console.database.begin() as tx:
        speaker_id = renames.rename(tx, name, to, actor=caller.name)
    return SpeakerRenamed(speaker_id=speaker_id, name=to)
