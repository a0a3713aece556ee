"""Labels that somebody wants to look at first: what was asked, what it would change, and whether it was applied."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import sqlalchemy as sa

from shared.errors import Conflict, EarmarkError, NotFound
from shared.events import ReviewRequested
from shared.ids import new_id
from shared.storage import people, statements
from shared.storage.database import Transaction
from shared.storage.labels import last_seq, names
from shared.storage.statements import Recorded
from shared.storage.tables import review

_DISCARDED: Final = "discarded_by"  # kept beside what was asked


class UnknownReview(NotFound):
    """Ask for a review again; its answer holds the id to look up."""

    code = "unknown_review"


class AlreadyApplied(Conflict):
    """The reviewed label has been given; to take it back, undo it."""

    code = "already_applied"


class AlreadyDiscarded(Conflict):
    """The review was discarded; ask for another one."""

    code = "already_discarded"


class ReviewOutdated(Conflict):
    """Something was said of the collection since the changes were thought out; ask for the review again."""

    code = "review_outdated"


State = Literal["requested", "ready", "applied", "discarded", "failed"]


@dataclass(frozen=True, slots=True)
class Asked:
    """The label as somebody would give it: of segments, or of a cluster."""

    speaker: str
    actor: str
    segment_ids: tuple[UUID, ...] = ()
    cluster_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Whom a segment would belong to, and whom it belongs to."""

    segment_id: UUID
    speaker: str | None
    assigned_by: str | None
    confidence: float | None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """`changes` is None while they are being thought out; `failed` says why they never will be."""

    review_id: UUID
    collection: str
    asked: Asked
    changes: list[Change] | None
    label_id: UUID | None
    seq: int | None
    failed: str | None
    discarded_by: str | None
    requested_at: datetime

    @property
    def state(self) -> State:
        """How far it is."""
        return _state(self.label_id, self.discarded_by, self.failed, ready=self.changes is not None)


@dataclass(frozen=True, slots=True)
class ListedReview:
    """A review without its changes, of which there may be many; `n_changes` is None until they are thought out."""

    review_id: UUID
    asked: Asked
    n_changes: int | None
    label_id: UUID | None
    failed: str | None
    discarded_by: str | None
    requested_at: datetime

    @property
    def state(self) -> State:
        """How far it is."""
        return _state(self.label_id, self.discarded_by, self.failed, ready=self.n_changes is not None)


def _state(label_id: UUID | None, discarded_by: str | None, failed: str | None, *, ready: bool) -> State:
    if label_id:
        return "applied"
    if discarded_by:
        return "discarded"
    if failed:
        return "failed"
    return "ready" if ready else "requested"


def request(tx: Transaction, collection: str, asked: Asked) -> ReviewRequested:
    """Write a request down; the caller publishes the event in the same transaction."""
    event = ReviewRequested(review_id=new_id(), collection=collection)
    wanted = {**asdict(asked), "segment_ids": [str(s) for s in asked.segment_ids]}
    wanted["cluster_id"] = str(asked.cluster_id) if asked.cluster_id else None
    tx.execute(sa.insert(review).values(review_id=event.review_id, collection=collection, asked=wanted))
    return event


def get(tx: Transaction, review_id: UUID) -> Review:
    """Raises UnknownReview."""
    return _read(tx, sa.select(review).where(review.c.review_id == review_id), review_id)


_LISTED = (
    *(review.c[name] for name in ("review_id", "asked", "label_id", "failed", "requested_at")),
    sa.func.jsonb_array_length(review.c.changes).label("n_changes"),
)


def listing(
    tx: Transaction, collection: str, *, after: tuple[datetime, UUID] | None = None, most: int
) -> list[ListedReview]:
    """The newest first."""
    place = sa.tuple_(review.c.requested_at, review.c.review_id)
    wanted = sa.select(*_LISTED).where(review.c.collection == collection).order_by(place.desc()).limit(most)
    return [
        ListedReview(
            review_id=row.review_id,
            asked=_asked(row.asked),
            n_changes=row.n_changes,
            label_id=row.label_id,
            failed=row.failed,
            discarded_by=row.asked.get(_DISCARDED),
            requested_at=row.requested_at,
        )
        for row in tx.execute(wanted if after is None else wanted.where(place < after))
    ]


def _read(tx: Transaction, statement: sa.Select[Any], review_id: UUID) -> Review:
    row = tx.execute(statement).one_or_none()
    if row is None:
        raise UnknownReview(f"No review {review_id}.")
    return _review(row)


def _review(row: Any) -> Review:
    return Review(
        review_id=row.review_id,
        collection=row.collection,
        asked=_asked(row.asked),
        changes=None if row.changes is None else [_change(change) for change in row.changes],
        label_id=row.label_id,
        seq=row.seq,
        failed=row.failed,
        discarded_by=row.asked.get(_DISCARDED),
        requested_at=row.requested_at,
    )


def _asked(stored: dict[str, Any]) -> Asked:
    cluster_id = UUID(stored["cluster_id"]) if stored["cluster_id"] else None
    segment_ids = tuple(UUID(s) for s in stored["segment_ids"])
    return Asked(stored["speaker"], stored["actor"], segment_ids, cluster_id)


def _change(stored: dict[str, Any]) -> Change:
    return Change(**{**stored, "segment_id": UUID(stored["segment_id"])})


def carry_out(tx: Transaction, review_id: UUID, actor: str | None = None) -> Recorded:
    """Give the label that is asked for, in the name of whoever asked if nobody else is named.

    Raises UnknownReview, and what naming raises.
    """
    asked = get(tx, review_id).asked
    if asked.cluster_id:
        return statements.name_cluster(tx, asked.cluster_id, asked.speaker, actor or asked.actor)
    return statements.name_segments(tx, asked.segment_ids, asked.speaker, actor or asked.actor)


def apply(tx: Transaction, review_id: UUID, but: Sequence[UUID], actor: str) -> list[Recorded]:
    """Give the label, and say of some segments that they are not that speaker's.

    Raises AlreadyApplied, AlreadyDiscarded, ReviewOutdated, UnknownReview. The rejections come first: then the label
    does not reach those segments at all.
    """
    found = _open(tx, review_id)
    if found.seq is None or found.seq != last_seq(tx, found.collection):
        raise ReviewOutdated(f"Review {review_id} does not know what was said last.")
    recorded = []
    if but:
        speaker_id = people.ensure_speaker(tx, found.asked.speaker)
        recorded.append(statements.reject_segments(tx, list(dict.fromkeys(but)), speaker_id, actor))
    recorded.append(carry_out(tx, review_id, actor))
    given = sa.update(review).where(review.c.review_id == review_id)
    tx.execute(given.values(label_id=recorded[-1].label_id))
    return recorded


def discard(tx: Transaction, review_id: UUID, actor: str) -> None:
    """Never give the label; who decided so is written down. Raises AlreadyApplied, AlreadyDiscarded, UnknownReview."""
    _open(tx, review_id)
    by = sa.func.jsonb_build_object(_DISCARDED, sa.cast(actor, sa.Text))
    statement = sa.update(review).where(review.c.review_id == review_id)
    tx.execute(statement.values(asked=review.c.asked.op("||")(by)))


def _open(tx: Transaction, review_id: UUID) -> Review:
    """One that was not decided upon, and by nobody else until this transaction ends."""
    found = _read(tx, sa.select(review).where(review.c.review_id == review_id).with_for_update(), review_id)
    if found.label_id:
        raise AlreadyApplied(f"Review {review_id} has been applied.")
    if found.discarded_by:
        raise AlreadyDiscarded(f"Review {review_id} was discarded by {found.discarded_by}.")
    return found


def fail(tx: Transaction, review_id: UUID, error: EarmarkError) -> None:
    """Write down why the changes cannot be thought out."""
    tx.execute(sa.update(review).where(review.c.review_id == review_id).values(failed=str(error)))


_EFFECTS = sa.text("""
    SELECT DISTINCT ON (e.segment_id) e.segment_id, p.name AS speaker, e.assigned_by, e.confidence
    FROM label_effect e JOIN label l USING (label_id) LEFT JOIN speaker p ON p.speaker_id = e.speaker_id
    WHERE l.label_id = :label_id OR l.cause_id = :label_id
    ORDER BY e.segment_id, e.seq DESC
""")


def effects(tx: Transaction, label_id: UUID) -> list[Change]:
    """What a label has changed, with what followed from it."""
    return [Change(**row) for row in tx.execute(_EFFECTS, {"label_id": label_id}).mappings()]


def write(tx: Transaction, review_id: UUID, seq: int, after: Sequence[Change]) -> None:
    """Write down what would change, as of the statement `seq`; a segment whose speaker stays is left out."""
    now = names(tx, [change.segment_id for change in after])
    called = people.names_of(tx, {n.speaker_id for n in now.values()})
    before = {s: called[n.speaker_id] for s, n in now.items()}
    changes = [
        {**asdict(change), "segment_id": str(change.segment_id), "before": before.get(change.segment_id)}
        for change in after
        if change.speaker != before.get(change.segment_id)
    ]
    tx.execute(sa.update(review).where(review.c.review_id == review_id).values(changes=changes, seq=seq))
