"""Speakers as people know them: by name. Who is who after merges and renames follows from the log."""

from collections.abc import Iterable
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.errors import Conflict, NotFound
from shared.ids import new_id
from shared.storage.database import Transaction
from shared.storage.tables import label, speaker


class UnknownSpeaker(NotFound):
    """`earmark speakers list` shows the names that there are."""

    code = "unknown_speaker"


class SpeakerNameTaken(Conflict):
    """Somebody has that name already; to make one speaker of two, merge them."""

    code = "speaker_name_taken"


def ensure_speaker(tx: Transaction, name: str) -> UUID:
    """The id of the speaker of that name, made if nobody has it yet."""
    return ensure_speakers(tx, {name})[name]


_IDS = sa.text("SELECT name, speaker_id FROM speaker WHERE name = ANY(:names)")


def ensure_speakers(tx: Transaction, names: Iterable[str]) -> dict[str, UUID]:
    """The ids of the speakers of these names, made if nobody has them yet."""
    wanted = sorted(set(names))
    ids = [new_id() for _ in wanted]
    if wanted:
        rows = [{"speaker_id": i, "canonical_id": i, "name": n} for i, n in zip(ids, wanted, strict=True)]
        tx.execute(insert(speaker).values(rows).on_conflict_do_nothing())
    return {row.name: row.speaker_id for row in tx.execute(_IDS, {"names": wanted})}


def speaker_named(tx: Transaction, name: str) -> UUID:
    """Raises UnknownSpeaker."""
    found: UUID | None = tx.execute(sa.select(speaker.c.speaker_id).where(speaker.c.name == name)).scalar_one_or_none()
    if found is None:
        raise UnknownSpeaker(f"No speaker {name!r}.")
    return found


def name_of(tx: Transaction, speaker_id: UUID) -> str:
    """How a speaker is called."""
    return str(tx.execute(sa.select(speaker.c.name).where(speaker.c.speaker_id == speaker_id)).scalar_one())


def names_of(tx: Transaction, speaker_ids: Iterable[UUID]) -> dict[UUID, str]:
    """How speakers are called."""
    wanted = sa.select(speaker.c.speaker_id, speaker.c.name).where(speaker.c.speaker_id.in_(list(speaker_ids)))
    return {row.speaker_id: row.name for row in tx.execute(wanted)}


def canonical(tx: Transaction, speaker_id: UUID) -> UUID:
    """Whom a speaker is after all merges that stand."""
    found = sa.select(speaker.c.canonical_id).where(speaker.c.speaker_id == speaker_id)
    return UUID(str(tx.execute(found).scalar_one()))


def one_voice(tx: Transaction, speaker_id: UUID) -> list[UUID]:
    """All speakers that are one with this one, themselves included, by id."""
    same = sa.select(speaker.c.speaker_id).where(speaker.c.canonical_id == canonical(tx, speaker_id))
    return list(tx.execute(same.order_by(speaker.c.speaker_id)).scalars())


def settle_merges(tx: Transaction) -> set[UUID]:
    """Make `canonical_id` follow from the merges that stand, in their order; returns the speakers that changed.

    Call it under `lock_merges`.
    """
    merges = tx.execute(
        sa.select(label.c.speaker_id, label.c.other_speaker_id)
        .where(label.c.operation == "merge", label.c.active)
        .order_by(label.c.seq)
    )
    wanted = merged([(row.speaker_id, row.other_speaker_id) for row in merges])
    changed = set()
    now = sa.select(speaker.c.speaker_id, speaker.c.canonical_id).order_by(speaker.c.speaker_id)
    for row in tx.execute(now).all():
        canonical_id = wanted.get(row.speaker_id, row.speaker_id)
        if canonical_id != row.canonical_id:
            statement = sa.update(speaker).where(speaker.c.speaker_id == row.speaker_id)
            tx.execute(statement.values(canonical_id=canonical_id))
            changed |= {row.speaker_id, canonical_id, row.canonical_id}
    return changed


_LOCK_FOR_MERGES = 0x6561726F


def lock_merges(tx: Transaction) -> None:
    """One merge, or undoing of one, after the other: each reads all of them before it writes who is who."""
    tx.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_FOR_MERGES})


def merged(merges: Iterable[tuple[UUID, UUID]]) -> dict[UUID, UUID]:
    """Whom each speaker is after merges of (who stays, who becomes one with them), in their order."""
    into: dict[UUID, UUID] = {}

    def last(speaker_id: UUID) -> UUID:
        while speaker_id in into:
            speaker_id = into[speaker_id]
        return speaker_id

    for stays, goes in merges:
        if last(stays) != last(goes):
            into[last(goes)] = last(stays)
    return {speaker_id: last(speaker_id) for speaker_id in into}


def settle_name(tx: Transaction, speaker_id: UUID) -> None:
    """Make the speaker's name follow from the renames that stand. Raises SpeakerNameTaken."""
    renames = tx.execute(
        sa.select(label.c.detail, label.c.active)
        .where(label.c.operation == "rename", label.c.speaker_id == speaker_id)
        .order_by(label.c.seq)
    ).all()
    standing = [row.detail["to"] for row in renames if row.active]
    name = standing[-1] if standing else renames[0].detail["from"]
    try:
        with tx.begin_nested():
            tx.execute(sa.update(speaker).where(speaker.c.speaker_id == speaker_id).values(name=name))
    except sa.exc.IntegrityError:
        raise SpeakerNameTaken(f"There is a speaker {name!r} already.") from None
