"""What people say of who speaks, each as one entry of the log: name, reject, import, merge, and take any of it back.

A statement's own segments change at once; what follows from it comes later, by whoever hears its events.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa

from shared.errors import Conflict, InvalidRequest
from shared.events import LabelRecorded
from shared.storage import people, words
from shared.storage.database import Transaction
from shared.storage.labels import ClusterGone, Entry, Named, Names, SegmentGone, append, names, write
from shared.storage.people import ensure_speaker, ensure_speakers
from shared.storage.tables import segment

Kind = Literal["human", "import", "cluster", "not"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A statement as it stands in the log; the caller publishes `events` in the same transaction.

    One event for each collection that it concerns; `n_direct` segments were spoken of.
    """

    label_id: UUID
    collection: str | None
    speaker_id: UUID | None
    n_direct: int
    events: tuple[LabelRecorded, ...]


def name_segment(tx: Transaction, segment_id: UUID, speaker: str, actor: str) -> Recorded:
    """A person says who speaks in a segment. Raises SegmentGone."""
    return name_segments(tx, [segment_id], speaker, actor)


def name_segments(
    tx: Transaction, segment_ids: Sequence[UUID], speaker: str, actor: str, operation: str = "assign"
) -> Recorded:
    """A person says who speaks in segments of one collection, as one entry. Raises SegmentGone."""
    collection = _collection_of(tx, segment_ids)
    speaker_id = ensure_speaker(tx, speaker)
    only = segment_ids[0] if len(segment_ids) == 1 else None
    entry = append(tx, collection, operation, actor, speaker_id, segment_id=only)
    _say(tx, entry, dict.fromkeys(segment_ids, speaker_id), "human")
    return _recorded(tx, entry, collection, operation, segment_ids, speaker_id=speaker_id, segment_id=only)


class NotTheirs(Conflict):
    """A split takes segments of the speaker that is split; to name other segments, label them."""

    code = "not_theirs"


def split_speaker(tx: Transaction, name: str, segment_ids: Sequence[UUID], to: str, actor: str) -> Recorded:
    """A person says that some of a speaker's segments are somebody else's. Raises UnknownSpeaker, NotTheirs."""
    speakers = people.one_voice(tx, people.speaker_named(tx, name))
    now = names(tx, segment_ids)
    if to == name or any(s not in now or now[s].speaker_id not in speakers for s in segment_ids):
        raise NotTheirs(f"Not all of the segments are {name!r}'s." if to != name else f"{to!r} is {name!r}.")
    return name_segments(tx, segment_ids, to, actor, operation="split")


def reject_segment(tx: Transaction, segment_id: UUID, speaker_id: UUID, actor: str) -> Recorded:
    """A person says who does not speak in a segment. Raises SegmentGone."""
    return reject_segments(tx, [segment_id], speaker_id, actor)


def reject_segments(tx: Transaction, segment_ids: Sequence[UUID], speaker_id: UUID, actor: str) -> Recorded:
    """A person says who speaks in none of these segments of one collection, as one entry. Raises SegmentGone."""
    collection = _collection_of(tx, segment_ids)
    only = segment_ids[0] if len(segment_ids) == 1 else None
    entry = append(tx, collection, "reject", actor, speaker_id, segment_id=only)
    _say(tx, entry, dict.fromkeys(segment_ids, speaker_id), "not")
    return _recorded(tx, entry, collection, "reject", segment_ids, speaker_id=speaker_id, segment_id=only)


_MEMBERS = sa.text("""
    INSERT INTO word (label_id, segment_id, speaker_id, kind)
    SELECT :label_id, segment_id, :speaker_id, 'cluster' FROM cluster_member
    WHERE cluster_id = :cluster_id AND until_generation IS NULL
    RETURNING segment_id
""")


def name_cluster(tx: Transaction, cluster_id: UUID, speaker: str, actor: str) -> Recorded:
    """A person says who speaks in a cluster: in all that are in it now, and will be later.

    Raises ClusterGone, NotSpeech.
    """
    found = _collection_of_cluster(tx, cluster_id)
    speaker_id = ensure_speaker(tx, speaker)
    entry = append(tx, found, "assign", actor, speaker_id, cluster_id=cluster_id)
    values = {"label_id": entry.label_id, "speaker_id": speaker_id, "cluster_id": cluster_id}
    members = list(tx.execute(_MEMBERS, values).scalars())
    named_by_people = [s for s, n in names(tx, members).items() if n.assigned_by in {"human", "import"}]
    event = _event(entry, found, "assign", speaker_id=speaker_id, cluster_id=cluster_id)
    return Recorded(entry.label_id, found, speaker_id, len(members) - len(named_by_people), (event,))


def import_words(
    tx: Transaction, collection: str, said: Iterable[tuple[UUID, str]], actor: str, detail: dict[str, Any]
) -> Recorded:
    """Names of segments out of somebody's file, as one entry. Raises SegmentGone if one is not of the collection."""
    by_segment = dict(said)
    _check_collection(tx, list(by_segment), collection)
    speakers = ensure_speakers(tx, set(by_segment.values()))
    entry = append(tx, collection, "import", actor, detail=detail)
    _say(tx, entry, {s: speakers[name] for s, name in by_segment.items()}, "import")
    return _recorded(tx, entry, collection, "import", list(by_segment))


_SAY = sa.text("""
    INSERT INTO word (label_id, segment_id, speaker_id, kind)
    SELECT :label_id, n.segment_id, n.speaker_id, :kind
    FROM unnest(CAST(:segment_ids AS uuid[]), CAST(:speaker_ids AS uuid[])) AS n(segment_id, speaker_id)
""")


def _say(tx: Transaction, entry: Entry, speaker_of: dict[UUID, UUID], kind: Kind) -> None:
    values = {"segment_ids": list(speaker_of), "speaker_ids": list(speaker_of.values())}
    tx.execute(_SAY, {"label_id": entry.label_id, "kind": kind, **values})


def _recorded(
    tx: Transaction,
    entry: Entry,
    collection: str,
    operation: str,
    segment_ids: Sequence[UUID],
    *,
    speaker_id: UUID | None = None,
    segment_id: UUID | None = None,
) -> Recorded:
    settle_directly(tx, entry, collection, segment_ids)
    event = _event(entry, collection, operation, speaker_id=speaker_id, segment_id=segment_id)
    return Recorded(entry.label_id, collection, speaker_id, len(segment_ids), (event,))


def _event(entry: Entry, collection: str, operation: str, **about: UUID | None) -> LabelRecorded:
    return LabelRecorded(label_id=entry.label_id, collection=collection, operation=operation, **about)


def settle_directly(tx: Transaction, entry: Entry, collection: str, segment_ids: Sequence[UUID]) -> None:
    """Let segments show what people say of them now. Names that only rules gave stay until the rules look again."""
    said = words.said(tx, segment_ids)
    rejected = words.rejected(tx, segment_ids)
    now = names(tx, segment_ids)
    spoken: Names = {
        s: Named(w.speaker_id, w.kind, 1.0, w.label_id) for s, w in said.items() if w.kind in {"human", "import"}
    }
    nobodys = [
        s
        for s, n in now.items()
        if s not in spoken and (n.assigned_by in {"human", "import"} or (s, n.speaker_id) in rejected)
    ]
    write(tx, entry, collection, spoken, nobodys)


def collection_of(tx: Transaction, segment_ids: Sequence[UUID], cluster_id: UUID | None) -> str:
    """Where segments, or a cluster, are. Raises SegmentGone, ClusterGone, NotSpeech."""
    return _collection_of_cluster(tx, cluster_id) if cluster_id else _collection_of(tx, segment_ids)


_OF_CLUSTER = sa.text("""
    SELECT collection, EXISTS (
        SELECT FROM encoder e WHERE e.name = c.encoder AND e.spec->>'modality' = 'text') AS of_texts
    FROM cluster c WHERE cluster_id = :cluster_id AND "current"
""")


def _collection_of_cluster(tx: Transaction, cluster_id: UUID) -> str:
    row = tx.execute(_OF_CLUSTER, {"cluster_id": cluster_id}).one_or_none()
    if row is None:
        raise ClusterGone(f"No cluster {cluster_id}.")
    if row.of_texts:
        raise NotSpeech(f"{cluster_id} is a cluster of texts.")
    return str(row.collection)


class NotSpeech(InvalidRequest):
    """Name segments of audio or clusters of them: nobody speaks in a caption, and texts that are alike are no voice."""

    code = "not_speech"


_COLLECTIONS = sa.text("""
    SELECT collection, count(*) AS n, bool_or(modality = 'text') AS of_text
    FROM segment WHERE segment_id = ANY(:ids) GROUP BY 1
""")


def _collection_of(tx: Transaction, segment_ids: Sequence[UUID]) -> str:
    rows = tx.execute(_COLLECTIONS, {"ids": list(segment_ids)}).all()
    if len(rows) != 1 or rows[0].n != len(set(segment_ids)):
        several = f"The {len(segment_ids)} segments do not all stand, or not in one collection."
        raise SegmentGone(f"No segment {segment_ids[0]}." if len(segment_ids) == 1 else several)
    if rows[0].of_text:
        raise NotSpeech("A segment of these is a caption.")
    return str(rows[0].collection)


def _check_collection(tx: Transaction, segment_ids: Sequence[UUID], collection: str) -> None:
    standing = sa.select(sa.func.count()).where(
        segment.c.segment_id == sa.any_(sa.cast(list(segment_ids), sa.ARRAY(sa.UUID))),
        segment.c.collection == collection,
    )
    if tx.execute(standing).scalar_one() != len(segment_ids):
        raise SegmentGone(f"Not every segment stands in {collection!r}.")
