"""Segments of recordings: written when they are cut, read as spans, held while something is written about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from jaxtyping import Float64
from psycopg.types.json import Jsonb

from shared.storage.database import Transaction
from shared.storage.tables import recording, segment
from shared.units import SAMPLE_RATE_HZ

Modality = Literal["audio", "text"]
"""A segment of text is a caption of its whole recording: it has words and no voice."""


@dataclass(frozen=True, slots=True)
class NewSegment:
    """One stretch of a recording, in samples at 16 kHz."""

    segment_id: UUID
    start_sample: int
    end_sample: int
    text: str | None = None
    speaker_label: str | None = None
    words: tuple[tuple[int, int, str], ...] = ()  # (start_sample, end_sample, text) of each


@dataclass(frozen=True, slots=True)
class Cut:
    """All segments of one recording as one segmenter cut them."""

    recording_id: UUID
    collection: str
    segmenter: str
    segments: tuple[NewSegment, ...]
    encoders: tuple[str, ...]


_INSERT = sa.text("""
    INSERT INTO segment (segment_id, recording_id, collection, start_sample, end_sample, source, text, speaker_label,
                         words)
    SELECT * FROM unnest(CAST(:segment_ids AS uuid[]), CAST(:recording_ids AS uuid[]), CAST(:collections AS text[]),
        CAST(:starts AS bigint[]), CAST(:ends AS bigint[]), CAST(:sources AS text[]), CAST(:texts AS text[]),
        CAST(:labels AS text[]), CAST(:words AS jsonb[]))
    ON CONFLICT (segment_id) DO NOTHING
""")
_SEGMENTED = sa.text("""
    UPDATE recording SET segmenter = n.segmenter, n_segments = n.n_segments,
           state = 'segmented'
    FROM unnest(CAST(:ids AS uuid[]), CAST(:segmenters AS text[]), CAST(:counts AS int[]))
         AS n(recording_id, segmenter, n_segments)
    WHERE recording.recording_id = n.recording_id AND recording.state = 'registered'
    RETURNING recording.recording_id
""")
_PROGRESS = sa.text("""
    INSERT INTO recording_progress (recording_id, encoder, n_segments)
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:encoders AS text[]), CAST(:counts AS int[]))
    ON CONFLICT DO NOTHING
""")


def write_cuts(tx: Transaction, cuts: Sequence[Cut]) -> set[UUID]:
    """Write the segments of recordings that had none; returns the recordings that were still waiting for theirs."""
    ordered = sorted(cuts, key=lambda c: c.recording_id)
    fresh = set(
        tx.execute(
            _SEGMENTED,
            {
                "ids": [c.recording_id for c in ordered],
                "segmenters": [c.segmenter for c in ordered],
                "counts": [len(c.segments) for c in ordered],
            },
        ).scalars()
    )
    insert(tx, [c for c in ordered if c.recording_id in fresh])
    progress = [(c, e) for c in ordered if c.recording_id in fresh for e in c.encoders]
    tx.execute(
        _PROGRESS,
        {
            "ids": [c.recording_id for c, _ in progress],
            "encoders": [e for _, e in progress],
            "counts": [len(c.segments) for c, _ in progress],
        },
    )
    return fresh


def insert(tx: Transaction, cuts: Sequence[Cut]) -> None:
    """Add segments to their recordings and nothing else; those that are there already stay as they are."""
    rows = [(c, s) for c in cuts for s in c.segments]
    tx.execute(
        _INSERT,
        {
            "segment_ids": [s.segment_id for _, s in rows],
            "recording_ids": [c.recording_id for c, _ in rows],
            "collections": [c.collection for c, _ in rows],
            "starts": [s.start_sample for _, s in rows],
            "ends": [s.end_sample for _, s in rows],
            "sources": [c.segmenter for c, _ in rows],
            "texts": [s.text for _, s in rows],
            "words": [Jsonb(s.words) if s.words else None for _, s in rows],
            "labels": [s.speaker_label for _, s in rows],
        },
    )


_COUNT = sa.text("""
    UPDATE recording SET n_segments = (SELECT count(*) FROM segment WHERE recording_id = :id) WHERE recording_id = :id
""")


def count(tx: Transaction, recording_id: UUID) -> None:
    """Let a recording know how many segments it has, after some came or went."""
    tx.execute(_COUNT, {"id": recording_id})


@dataclass(frozen=True, slots=True)
class SegmentSpan:
    """Where a segment lies in its recording, in samples at 16 kHz, and its words, if it has any."""

    segment_id: UUID
    recording_id: UUID
    collection: str
    start_sample: int
    end_sample: int
    modality: Modality = "audio"
    text: str | None = None

    @property
    def n_audio_samples(self) -> int:
        """How much audio has to be read to embed it."""
        return self.end_sample - self.start_sample if self.modality == "audio" else 0


def spans(tx: Transaction, segment_ids: Sequence[UUID]) -> list[SegmentSpan]:
    """The segments that still stand, by recording and start, so that each recording can be read once, forwards."""
    rows = tx.execute(
        sa.select(
            segment.c.segment_id,
            segment.c.recording_id,
            segment.c.collection,
            segment.c.start_sample,
            segment.c.end_sample,
            segment.c.modality,
            segment.c.text,
        )
        .where(segment.c.segment_id == sa.any_(sa.cast(list(segment_ids), sa.ARRAY(sa.UUID))))
        .order_by(segment.c.recording_id, segment.c.start_sample)
    )
    return [SegmentSpan(*row) for row in rows]


_HOLD = sa.text("""
    SELECT segment_id FROM segment WHERE segment_id = ANY(:ids) ORDER BY segment_id FOR KEY SHARE
""")


def hold(tx: Transaction, segment_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the segments that still stand: nobody can remove them before this transaction ends."""
    return set(tx.execute(_HOLD, {"ids": list(segment_ids)}).scalars())


_LENGTHS = sa.text("""
    SELECT s.end_sample - s.start_sample FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS n(segment_id, place)
    LEFT JOIN segment s USING (segment_id) ORDER BY n.place
""")


def durations_s(tx: Transaction, segment_ids: Sequence[UUID]) -> Float64[np.ndarray, " segments"]:
    """How long each segment is, in the order of the ids; 0 for one that is gone."""
    found = tx.execute(_LENGTHS, {"ids": list(segment_ids)}).scalars()
    return np.array([length or 0 for length in found], np.float64) / SAMPLE_RATE_HZ


def waiting(tx: Transaction, recording_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the recordings that have not been cut yet."""
    return set(
        tx.execute(
            sa.select(recording.c.recording_id).where(
                recording.c.recording_id.in_(list(recording_ids)), recording.c.state == "registered"
            )
        ).scalars()
    )
