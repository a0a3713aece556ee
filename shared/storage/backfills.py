"""Vectors for segments that were there before: of whole collections page by page, and of those a person names."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

import sqlalchemy as sa

from shared.encoders.clips import UNREADABLE
from shared.errors import NotFound
from shared.events import BackfillFinished, BackfillRequested, EmbeddingRequested, SegmentsEnlisted
from shared.ids import new_id
from shared.storage import collections, embeddings, encoders, renditions, subsets, words
from shared.storage.database import Transaction
from shared.storage.segments import SegmentSpan, spans
from shared.storage.tables import backfill
from shared.units import seconds

SEGMENTS_PER_EVENT = 256
AUDIO_S_PER_EVENT = 60.0
"""An event has no more than both, or a single segment: live work waits for one of them, never for an hour of audio."""

RECORDINGS_PER_PAGE = 200
SEGMENTS_PER_PAGE = 20_000
"""A page has no more than both, or a single recording: however long its recordings are, it is one small transaction."""


class UnknownBackfill(NotFound):
    """Ask for a backfill again; its answer holds the id to look up."""

    code = "unknown_backfill"


@dataclass(frozen=True, slots=True)
class Requested:
    """A request as it was written down; the caller publishes the event in the same transaction."""

    event: BackfillRequested
    space: str
    added: bool  # the encoder was none of the collection's until now


def request(
    tx: Transaction, collection: str, encoder: str, *, everything: bool, subset: str | None = None
) -> Requested:
    """Ask for an encoder's vectors of a collection; from now on its arrivals are embedded by that encoder as well.

    Of a subset only its recordings are wanted, and arrivals go on as before. Raises UnknownCollection, UnknownEncoder,
    UnknownSubset.
    """
    collections.get(tx, collection)
    space = encoders.named(tx, encoder).space
    subset_id = None if subset is None else subsets.by_name(tx, collection, subset).subset_id
    added = subset_id is None and collections.add_encoder(tx, collection, encoder)
    event = BackfillRequested(backfill_id=new_id(), collection=collection, encoder=encoder, everything=everything)
    values = {"backfill_id": event.backfill_id, "collection": collection, "encoder": encoder, "subset_id": subset_id}
    tx.execute(sa.insert(backfill).values(**values, space=space, everything=everything))
    return Requested(event, space, added)


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a collection's recordings: what to embed of them, and up to which recording; None: that was all."""

    enlisted: tuple[SegmentsEnlisted, ...]
    n_segments: int
    after: UUID | None


_RECORDINGS = sa.text("""
    SELECT recording_id, coalesce(n_segments, 0) AS n_segments FROM recording
    WHERE collection = :collection AND recording_id > :after AND state <> 'registered'
    ORDER BY recording_id LIMIT :most
""")
_RECORDINGS_OF_SUBSET = sa.text("""
    SELECT recording_id, coalesce(n_segments, 0) AS n_segments FROM subset_member JOIN recording USING (recording_id)
    WHERE subset_id = :subset_id AND recording_id > :after AND state <> 'registered'
    ORDER BY recording_id LIMIT :most
""")
_WANTED = sa.text("""
    SELECT segment_id, recording_id, collection, start_sample, end_sample, modality, text FROM segment s
    WHERE recording_id = ANY(:ids) AND (:everything OR NOT (
        EXISTS (SELECT FROM embedding e WHERE e.encoder_id = :encoder_id AND e.segment_id = s.segment_id)
        OR EXISTS (SELECT FROM unembeddable u WHERE u.encoder = :encoder AND u.segment_id = s.segment_id
                   AND u.code <> ALL(:again))))
    ORDER BY recording_id, start_sample
""")
_UNCOUNTED = sa.text("""
    SELECT i.recording_id FROM unnest(CAST(:ids AS uuid[])) AS i(recording_id)
    WHERE NOT EXISTS (SELECT FROM recording_progress p
                      WHERE p.recording_id = i.recording_id AND p.encoder = :encoder)
""")
_FIRST = UUID(int=0)


def enlist(tx: Transaction, event: BackfillRequested, most: int = SEGMENTS_PER_EVENT) -> Page:
    """What is wanted of the recordings behind `event.after`, at most `most` segments in an event.

    A recording that the encoder is new to is enlisted even if it has no segments: it, too, is announced as embedded.
    """
    columns = sa.select(backfill.c.space, backfill.c.subset_id)
    space, subset_id = tx.execute(columns.where(backfill.c.backfill_id == event.backfill_id)).one()
    ids, after = _page(tx, event, subset_id)
    of_encoder = {"ids": ids, "encoder": event.encoder}
    stored = encoders.by_space(tx, space)
    renditions.try_again(tx, ids, int(stored.spec["sample_rate_hz"]))
    which = {"encoder_id": stored.encoder_id, "everything": event.everything, "again": list(UNREADABLE)}
    rows = tx.execute(_WANTED, {**of_encoder, **which})
    wanted = [SegmentSpan(*row) for row in rows]
    empty = set(tx.execute(_UNCOUNTED, of_encoder).scalars()) - {span.recording_id for span in wanted}
    portions = [*_portions(wanted, most), *((recording_id, []) for recording_id in sorted(empty))]
    enlisted = tuple(
        SegmentsEnlisted(
            backfill_id=event.backfill_id,
            recording_id=recording_id,
            collection=event.collection,
            encoder=event.encoder,
            segment_ids=tuple(span.segment_id for span in portion),
            duration_s=_duration_s(portion),
            overwrite=event.everything,
        )
        for recording_id, portion in portions
    )
    return Page(enlisted, len(wanted), after)


def _page(tx: Transaction, event: BackfillRequested, subset_id: UUID | None) -> tuple[list[UUID], UUID | None]:
    place = {"after": event.after or _FIRST, "most": RECORDINGS_PER_PAGE}
    if subset_id is None:
        found = tx.execute(_RECORDINGS, {**place, "collection": event.collection}).all()
    else:
        found = tx.execute(_RECORDINGS_OF_SUBSET, {**place, "subset_id": subset_id}).all()
    taken: list[UUID] = []
    n_segments = 0
    for row in found:
        n_segments += row.n_segments
        if taken and n_segments > SEGMENTS_PER_PAGE:
            break
        taken.append(row.recording_id)
    is_last = len(taken) == len(found) < RECORDINGS_PER_PAGE
    return taken, None if is_last else taken[-1]


def _portions(found: Iterable[SegmentSpan], most: int) -> Iterator[tuple[UUID, list[SegmentSpan]]]:
    """Segments of one recording each, as many as an event may have; `found` is sorted by recording."""
    for recording_id, group in groupby(found, key=lambda span: span.recording_id):
        portion: list[SegmentSpan] = []
        n_samples = 0
        for span in group:
            n_samples += span.n_audio_samples
            if portion and (len(portion) >= most or seconds(n_samples) > AUDIO_S_PER_EVENT):
                yield recording_id, portion
                portion, n_samples = [], span.n_audio_samples
            portion.append(span)
        yield recording_id, portion


def _duration_s(portion: Sequence[SegmentSpan]) -> float:
    return seconds(sum(span.n_audio_samples for span in portion))


@dataclass(frozen=True, slots=True)
class Count:
    """What a transaction adds to a backfill; `n_done` counts segments whatever came of them."""

    n_wanted: int = 0
    n_done: int = 0
    n_without_voice: int = 0
    n_unreadable: int = 0
    all_enlisted: bool = False

    def __add__(self, other: "Count") -> "Count":
        return Count(
            self.n_wanted + other.n_wanted,
            self.n_done + other.n_done,
            self.n_without_voice + other.n_without_voice,
            self.n_unreadable + other.n_unreadable,
            self.all_enlisted or other.all_enlisted,
        )


_THROUGH = "(state <> 'enlisting' OR :all_enlisted) AND n_done + :n_done >= n_wanted + :n_wanted"
_COUNT = sa.text(f"""
    UPDATE backfill SET
        n_wanted = n_wanted + :n_wanted, n_done = n_done + :n_done,
        n_without_voice = n_without_voice + :n_without_voice, n_unreadable = n_unreadable + :n_unreadable,
        state = CASE WHEN {_THROUGH} THEN 'done' WHEN :all_enlisted THEN 'embedding' ELSE state END,
        finished_at = CASE WHEN {_THROUGH} THEN clock_timestamp() END
    WHERE backfill_id = :backfill_id RETURNING collection, encoder, state
""")  # noqa: S608  # a constant


def count(tx: Transaction, backfill_id: UUID, more: Count) -> BackfillFinished | None:
    """Add to a backfill's counts, as the last thing of a transaction: others wait for this row.

    Returns what to announce once it is done.
    """
    values = {"n_wanted": more.n_wanted, "n_done": more.n_done, "n_without_voice": more.n_without_voice}
    values |= {"n_unreadable": more.n_unreadable, "all_enlisted": more.all_enlisted}
    counted = tx.execute(_COUNT, {"backfill_id": backfill_id, **values}).one()
    if counted.state != "done":
        return None
    return BackfillFinished(backfill_id=backfill_id, collection=counted.collection, encoder=counted.encoder)


@dataclass(frozen=True, slots=True)
class BackfillState:
    """How far a backfill is; `wanted` grows while its state is `enlisting`.

    `reasons` counts, when it is done, the collection's segments that have no vector of the encoder, by why not.
    """

    backfill_id: UUID
    collection: str
    encoder: str
    space: str
    everything: bool
    state: str
    wanted: int
    done: int
    without_voice: int
    unreadable: int
    reasons: dict[str, int]


_REASONS = sa.text("""
    SELECT u.code, count(*) AS n FROM unembeddable u JOIN segment s USING (segment_id)
    WHERE u.encoder = :encoder AND s.collection = :collection GROUP BY 1 ORDER BY 1
""")


def state(tx: Transaction, backfill_id: UUID) -> BackfillState:
    """Raises UnknownBackfill."""
    row = tx.execute(sa.select(backfill).where(backfill.c.backfill_id == backfill_id)).one_or_none()
    if row is None:
        raise UnknownBackfill(f"No backfill {backfill_id}.")
    is_done = row.state == "done"
    reasons = tx.execute(_REASONS, {"encoder": row.encoder, "collection": row.collection}).all() if is_done else ()
    return BackfillState(
        row.backfill_id, row.collection, row.encoder, row.space, row.everything, row.state,
        row.n_wanted, row.n_done, row.n_without_voice, row.n_unreadable,
        {reason.code: reason.n for reason in reasons},
    )  # fmt: skip


def request_missing(
    tx: Transaction, collection: str, segment_ids: Sequence[UUID], most: int = SEGMENTS_PER_EVENT
) -> list[EmbeddingRequested]:
    """Ask for the vectors that names spread by, for those of the segments that lack one and no reason why.

    The caller publishes the events in the same transaction.
    """
    name = collections.get(tx, collection).encoders[0]
    encoder = encoders.encoders(tx).get(name)
    if encoder is None:  # no worker has ever offered it: its first one embeds them with all others
        return []
    return embedding_requests(spans(tx, sorted(embeddings.missing(tx, encoder, segment_ids))), [name], most)


def request_spoken_of(
    tx: Transaction, label_id: UUID, collection: str | None, most: int = SEGMENTS_PER_EVENT
) -> list[EmbeddingRequested]:
    """The same for the segments that a person's entry in the label log speaks of; none for one of no collection."""
    return [] if collection is None else request_missing(tx, collection, words.segments(tx, label_id, collection), most)


def embedding_requests(
    wanted: Sequence[SegmentSpan], encoder_names: Iterable[str], most: int = SEGMENTS_PER_EVENT
) -> list[EmbeddingRequested]:
    """Events that ask for these segments' vectors of each encoder; `wanted` is sorted by recording."""
    return [
        EmbeddingRequested(
            recording_id=recording_id,
            collection=portion[0].collection,
            encoder=name,
            segment_ids=tuple(span.segment_id for span in portion),
            duration_s=_duration_s(portion),
        )
        for name in encoder_names
        for recording_id, portion in _portions(wanted, most)
    ]
