"""A speaker's name, and nothing else of theirs, changes."""

from uuid import UUID

import sqlalchemy as sa

from shared.errors import Conflict, NotFound
from shared.storage import labels
from shared.storage.database import Transaction
from shared.storage.tables import speaker


class UnknownSpeaker(NotFound):
    """`earmark speakers list` shows the names that there are."""

    code = "unknown_speaker"


class SpeakerNameTaken(Conflict):
    """Somebody has that name already; to make one speaker of two, merge them."""

    code = "speaker_name_taken"


_HEARD_IN = sa.text("SELECT DISTINCT collection FROM assignment WHERE speaker_id = :speaker_id ORDER BY collection")


def rename(tx: Transaction, name: str, to: str, actor: str) -> UUID:
    """Write the new name, and that it changed into the log of every collection that knows the speaker.

    Raises UnknownSpeaker, SpeakerNameTaken.
    """
    speaker_id: UUID | None = tx.execute(
        sa.select(speaker.c.speaker_id).where(speaker.c.name == name)
    ).scalar_one_or_none()
    if speaker_id is None:
        raise UnknownSpeaker(f"No speaker {name!r}.")
    if to == name:
        return speaker_id
    try:
        with tx.begin_nested():
            tx.execute(sa.update(speaker).where(speaker.c.speaker_id == speaker_id).values(name=to))
    except sa.exc.IntegrityError:
        raise SpeakerNameTaken(f"There is a speaker {to!r} already.") from None
    for collection in tx.execute(_HEARD_IN, {"speaker_id": speaker_id}).scalars().all():
        labels.append(tx, collection, "rename", actor, speaker_id, detail={"from": name, "to": to})
    return speaker_id
