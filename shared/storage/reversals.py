"""Merge two speakers, rename one, and take back any statement of a person, the newest clustering or switch.

All follow from the log again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.errors import Conflict
from shared.events import LabelRecorded
from shared.storage import collections, encoder_purge, generations_before, people, statements, switches, words
from shared.storage.database import Transaction
from shared.storage.labels import Entry, UnknownLabel, append, lock_names
from shared.storage.statements import Recorded
from shared.storage.tables import label


class AlreadyUndone(Conflict):
    """The label has been taken back already; to have it again, undo the entry that took it back."""

    code = "already_undone"


class NotUndoable(Conflict):
    """What people said can be undone, name by name, and the newest clustering and switch of a collection."""

    code = "not_undoable"


class NewerClustering(Conflict):
    """Only the newest clustering of a collection can be taken back: undo that one, or cluster again."""

    code = "newer_clustering"


class NewerSwitch(Conflict):
    """Only the newest switch of a collection can be taken back; `earmark collections switch` makes another."""

    code = "newer_switch"


class NotKept(Conflict):
    """Only the clusters before the newest clustering are kept, and nothing of an encoder that was purged: cluster
    again, or switch.
    """

    code = "not_kept"


class AlreadyOne(Conflict):
    """The two are one speaker already."""

    code = "already_one"


UNDOABLE = frozenset({"assign", "reject", "import", "split", "merge", "rename", "undo", "cluster", "switch"})
_OF_RULES = frozenset({"cluster", "switch"})  # names follow from them as a whole, and the clusterer knows how


def merge(tx: Transaction, stays: str, goes: str, actor: str) -> Recorded:
    """A person says that two speakers are one, who goes by the first name. Raises UnknownSpeaker, AlreadyOne."""
    people.lock_merges(tx)
    stays_id, goes_id = people.speaker_named(tx, stays), people.speaker_named(tx, goes)
    both = people.one_voice(tx, stays_id) + people.one_voice(tx, goes_id)
    if len(set(both)) < len(both):
        raise AlreadyOne(f"{stays!r} and {goes!r} are one speaker already.")
    concerned = _collections(tx, both)
    detail = {"stays": stays, "goes": goes, "collections": concerned}
    entry = append(tx, None, "merge", actor, stays_id, other_speaker_id=goes_id, detail=detail)
    people.settle_merges(tx)
    return _global(tx, entry, "merge", stays_id, concerned)


def rename(tx: Transaction, name: str, to: str, actor: str) -> UUID | None:
    """A person says how a speaker is called: the entry, None for the name that stands.

    Raises UnknownSpeaker, SpeakerNameTaken.
    """
    speaker_id = people.speaker_named(tx, name)
    if to == name:
        return None
    entry = append(tx, None, "rename", actor, speaker_id, detail={"from": name, "to": to})
    people.settle_name(tx, speaker_id)
    return entry.label_id


def undo(tx: Transaction, label_id: UUID, actor: str) -> Recorded:
    """A person takes a statement, a clustering or a switch back; to take that back, undo the entry that it made.

    Raises UnknownLabel, NotUndoable, AlreadyUndone, SpeakerNameTaken if a name is somebody else's by now, and
    NewerClustering and NotKept of a clustering, NewerSwitch and NotKept of a switch.
    """
    behind = statement_of(tx, label_id)
    if behind.operation in _OF_RULES and behind.collection:
        lock_names(tx, behind.collection)  # before the row: that is the clusterer's order
    row = _entry(tx, label_id)
    if row.operation not in UNDOABLE:
        raise NotUndoable(f"{label_id} is an entry {row.operation!r}, which cannot be undone by itself.")
    if "erased" in row.detail:
        raise NotUndoable(f"What {label_id} was about has been erased.")
    if not row.active:
        raise AlreadyUndone(f"{label_id} has been taken back.")
    if behind.operation == "cluster" and behind.collection:
        _check_clustering(tx, behind, behind.collection)
    if behind.operation == "switch" and behind.collection:
        _check_switch(tx, behind, behind.collection)
    statement = _flip(tx, row)
    entry = append(
        tx,
        statement.collection,
        "undo",
        actor,
        statement.speaker_id,
        segment_id=statement.segment_id,
        cluster_id=statement.cluster_id,
        other_speaker_id=statement.other_speaker_id,
        undoes_id=label_id,
        detail={"of": statement.operation, "statement": str(statement.label_id)},
    )
    return _settle(tx, entry, statement)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a person said, or a clustering, found behind however many entries that took it back and brought it again.

    `active` is whether it stands after all of them; `collection` is None for what is said of speakers everywhere.
    """

    label_id: UUID
    collection: str | None
    operation: str
    speaker_ids: tuple[UUID, ...]
    cluster_id: UUID | None
    active: bool
    detail: dict[str, Any]


def statement_of(tx: Transaction, label_id: UUID) -> Statement:
    """The statement that an entry is, or takes back. Raises UnknownLabel."""
    row = _row(tx, label_id)
    while row.operation == "undo":
        row = _row(tx, row.undoes_id)
    speaker_ids = tuple(s for s in (row.speaker_id, row.other_speaker_id) if s is not None)
    told = (row.cluster_id, row.active, row.detail)
    return Statement(row.label_id, row.collection, row.operation, speaker_ids, *told)


def _row(tx: Transaction, label_id: UUID) -> Any:
    row = tx.execute(sa.select(label).where(label.c.label_id == label_id)).one_or_none()
    if row is None:
        raise UnknownLabel(f"No label {label_id}.")
    return row


def _entry(tx: Transaction, label_id: UUID) -> Any:
    row = tx.execute(sa.select(label).where(label.c.label_id == label_id).with_for_update()).one_or_none()
    if row is None:
        raise UnknownLabel(f"No label {label_id}.")
    return row


def _check_clustering(tx: Transaction, behind: Statement, collection: str) -> None:
    """Raises NewerClustering and NotKept: only what the standing generation is of can be taken back, or come again."""
    standing = generations_before.standing(tx, collection, collections.get(tx, collection).encoders[0])
    last = standing.label_id if standing else None
    if last == behind.label_id:
        return
    if last is not None and _row(tx, last).active:
        raise NewerClustering(f"{last} is the newest clustering of {collection!r}.")
    raise NotKept(f"The clusters before {behind.label_id} are not kept.")


def _check_switch(tx: Transaction, behind: Statement, collection: str) -> None:
    """Raises NewerSwitch, and NotKept where the encoder that would name has no vectors any more."""
    last = switches.newest(tx, collection)
    if last is None or last.label_id != behind.label_id:
        raise NewerSwitch(f"{behind.label_id} is not the newest switch of {collection!r}.")
    to = last.before if behind.active else last.encoder
    if to is not None and not encoder_purge.has_vectors(tx, collection, to):
        raise NotKept(f"No vectors of {to!r} are kept in {collection!r}.")


def _flip(tx: Transaction, row: Any) -> Any:
    """Take an entry back; one that had taken another back gives that one its force again. Returns the statement."""
    standing = False
    while True:
        tx.execute(sa.update(label).where(label.c.label_id == row.label_id).values(active=standing))
        if row.operation != "undo":
            return row
        row, standing = _entry(tx, row.undoes_id), not standing


def _settle(tx: Transaction, entry: Entry, statement: Any) -> Recorded:
    if statement.operation == "rename":
        people.settle_name(tx, statement.speaker_id)
        return Recorded(entry.label_id, None, statement.speaker_id, 0, ())
    if statement.operation == "merge":
        people.lock_merges(tx)
        both = [statement.speaker_id, statement.other_speaker_id]
        concerned = _collections(tx, sorted({s for one in both for s in people.one_voice(tx, one)}))
        changed = people.settle_merges(tx)
        concerned = sorted({*concerned, *_collections(tx, sorted(changed))})
        added = sa.func.jsonb_build_object("collections", sa.cast(concerned, sa.dialects.postgresql.JSONB))
        statement_of = sa.update(label).where(label.c.label_id == entry.label_id)
        tx.execute(statement_of.values(detail=label.c.detail.op("||")(added)))
        return _global(tx, entry, "undo", statement.speaker_id, concerned)
    segment_ids = words.segments(tx, statement.label_id, statement.collection)
    if statement.cluster_id is None:
        statements.settle_directly(tx, entry, statement.collection, segment_ids)
    event = LabelRecorded(
        label_id=entry.label_id,
        collection=statement.collection,
        operation="undo",
        speaker_id=statement.speaker_id,
        segment_id=statement.segment_id,
        cluster_id=statement.cluster_id,
    )
    return Recorded(entry.label_id, statement.collection, statement.speaker_id, len(segment_ids), (event,))


_COLLECTIONS = sa.text("""
    SELECT collection FROM assignment WHERE speaker_id = ANY(:ids)
    UNION
    SELECT s.collection FROM word w JOIN segment s USING (segment_id) WHERE w.speaker_id = ANY(:ids)
    ORDER BY 1
""")


def _collections(tx: Transaction, speaker_ids: Sequence[UUID]) -> list[str]:
    return list(tx.execute(_COLLECTIONS, {"ids": list(speaker_ids)}).scalars())


def _global(tx: Transaction, entry: Entry, operation: str, speaker_id: UUID, concerned: Sequence[str]) -> Recorded:
    events = tuple(
        LabelRecorded(label_id=entry.label_id, collection=collection, operation=operation, speaker_id=speaker_id)
        for collection in concerned
    )
    theirs = sa.text("SELECT count(*) FROM assignment WHERE speaker_id = ANY(:ids)")
    n_direct = tx.execute(theirs, {"ids": people.one_voice(tx, speaker_id)}).scalar_one()
    return Recorded(entry.label_id, None, speaker_id, int(n_direct), events)
