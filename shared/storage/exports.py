"""Whole collections as streams, in flat memory: rows through a server-side cursor, vectors by COPY in between."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from jaxtyping import Float32

from shared.events import SegmentsEmbedded
from shared.storage import embeddings, frames
from shared.storage.database import Transaction
from shared.storage.encoders import StoredEncoder
from shared.storage.frames import FrameBlob
from shared.storage.listing import FIRST_KEYS, SEGMENT_COLUMNS, SEGMENT_NAMES, ListedSegment, as_segment
from shared.units import seconds

ROWS_PER_FETCH = 2000


def _segments(condition: str) -> sa.TextClause:
    return sa.text(f"""
        SELECT o.key AS object_key, {SEGMENT_COLUMNS}
        FROM stored_object o JOIN segment s USING (recording_id) {SEGMENT_NAMES}
        WHERE {FIRST_KEYS} {condition} ORDER BY o.key, s.start_sample, s.segment_id
    """)  # noqa: S608  # constants


_SEGMENTS = _segments("")
_SEGMENTS_OF_SUBSET = _segments(
    "AND o.recording_id IN (SELECT recording_id FROM subset_member WHERE subset_id = :subset_id)"
)
_KEYS = sa.text(f"SELECT o.key, o.recording_id FROM stored_object o WHERE {FIRST_KEYS} ORDER BY o.key")  # noqa: S608
_DURATIONS = sa.text(f"""
    SELECT o.key, r.n_samples FROM stored_object o JOIN recording r USING (recording_id) WHERE {FIRST_KEYS}
""")  # noqa: S608  # constants
_SEGMENT_IDS = sa.text("SELECT segment_id, recording_id FROM segment WHERE recording_id = ANY(:ids) ORDER BY 2, 1")
_SEEN_AS_ONE = sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def see_as_one(tx: Transaction) -> None:
    """Let all reads of this transaction see the database as it was at the first of them. Must come before that."""
    tx.execute(_SEEN_AS_ONE)


def segments(tx: Transaction, collection: str, subset_id: UUID | None = None) -> Iterator[ListedSegment]:
    """Every segment of a recording that lies under some key, by key and start; the transaction must stay open.

    With a subset, those of its recordings only.
    """
    statement = _SEGMENTS if subset_id is None else _SEGMENTS_OF_SUBSET
    values = {"collection": collection, "subset_id": subset_id}
    for row in tx.execute(statement, values, execution_options={"yield_per": ROWS_PER_FETCH}):
        yield as_segment(row)


def keys(tx: Transaction, collection: str) -> dict[str, UUID]:
    """The recording of each key that a recording goes by, in byte order."""
    return {row.key: row.recording_id for row in tx.execute(_KEYS, {"collection": collection})}


def durations_s(tx: Transaction, collection: str) -> dict[str, float]:
    """How long the recording of each such key is."""
    return {row.key: seconds(row.n_samples) for row in tx.execute(_DURATIONS, {"collection": collection})}


@dataclass(frozen=True, slots=True)
class EmbeddedSegments:
    """Segments and their vectors: row i belongs to `segments[i]`; and the frames of those that have them kept.

    `n_without` more segments have no vector, and of `n_to_backfill` of them nobody has said for good why.
    """

    segments: list[ListedSegment]
    vectors: Float32[np.ndarray, "segments dim"]
    frames: dict[UUID, FrameBlob]
    n_without: int
    n_to_backfill: int


def embedded_segments(
    tx: Transaction, collection: str, encoder: StoredEncoder, subset_id: UUID | None = None
) -> Iterator[EmbeddedSegments]:
    """In blocks, the segments that have a vector of this encoder, in the order of `segments`; others are counted."""
    for block in _blocks(segments(tx, collection, subset_id)):
        ids = [segment.segment_id for segment in block]
        found = embeddings.of_segments(tx, encoder, ids)
        row_of = {segment_id: row for row, segment_id in enumerate(found.segment_ids())}
        kept = [segment for segment in block if segment.segment_id in row_of]
        without = [segment_id for segment_id in ids if segment_id not in row_of]
        yield EmbeddedSegments(
            segments=kept,
            vectors=found.rows[[row_of[segment.segment_id] for segment in kept]],
            frames=frames.of_segments(tx, encoder, ids),
            n_without=len(without),
            n_to_backfill=len(embeddings.missing(tx, encoder, without)) if without else 0,
        )


_DTYPES = sa.text(r"""
    SELECT DISTINCT substring(data->>'made_with' FROM 'dtype=(\S+)') AS dtype FROM event
    WHERE type = :type AND data->>'collection' = :collection AND data->>'encoder' = :encoder
      AND (CAST(:subset_id AS uuid) IS NULL OR CAST(data->>'recording_id' AS uuid)
           IN (SELECT recording_id FROM subset_member WHERE subset_id = :subset_id))
""")


def dtype(tx: Transaction, collection: str, encoder: StoredEncoder, subset_id: UUID | None = None) -> str | None:
    """In which numbers a network computed the vectors of these recordings: `mixed`, if in several; None: not known.

    By the events that announced them, all of which are read; vectors that were made again count with their first ones.
    """
    values = {"collection": collection, "encoder": encoder.name, "subset_id": subset_id, "type": SegmentsEmbedded.type}
    found = list(tx.execute(_DTYPES, values).scalars())
    if not found or None in found:
        return None
    return "mixed" if len(found) > 1 else found[0]


_Item = TypeVar("_Item")


def _blocks(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while block := list(islice(iterator, ROWS_PER_FETCH)):
        yield block
