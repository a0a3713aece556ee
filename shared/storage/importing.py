"""What an import has to know of a collection: where its segments lie, how they are named, and who has a name at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from shared.storage.database import Transaction
from shared.storage.labels import AssignedBy


@dataclass(frozen=True, slots=True)
class NamedSpan:
    """A segment in samples at 16 kHz, with the name of its speaker and who gave it."""

    segment_id: UUID
    recording_id: UUID
    start_sample: int
    end_sample: int
    speaker: str | None
    assigned_by: AssignedBy | None


_SPANS = sa.text("""
    SELECT s.segment_id, s.recording_id, s.start_sample, s.end_sample, p.name AS speaker, a.assigned_by
    FROM segment s LEFT JOIN assignment a USING (segment_id) LEFT JOIN speaker p ON p.speaker_id = a.speaker_id
    WHERE s.collection = :collection AND s.modality = 'audio'
      AND (s.recording_id = ANY(:recordings) OR s.segment_id = ANY(:segments))
""")


def named_spans(
    tx: Transaction, collection: str, recording_ids: Sequence[UUID], segment_ids: Sequence[UUID]
) -> list[NamedSpan]:
    """The segments of these recordings, and these segments, as far as they are of the collection."""
    values = {"collection": collection, "recordings": list(recording_ids), "segments": list(segment_ids)}
    return [NamedSpan(**row) for row in tx.execute(_SPANS, values).mappings()]


def speaker_names(tx: Transaction) -> set[str]:
    """Of everybody who was ever named."""
    return set(tx.execute(sa.text("SELECT name FROM speaker")).scalars())
