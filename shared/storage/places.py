"""Where segments lie, for lists of them that are made elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from shared.storage.database import Transaction
from shared.units import seconds


@dataclass(frozen=True, slots=True)
class Place:
    """The first key of a segment's recording (None: it lies under no key any more), and its span."""

    object_key: str | None
    start_s: float
    end_s: float


_PLACES = sa.text("""
    SELECT s.segment_id, s.start_sample, s.end_sample,
           (SELECT min(o.key) FROM stored_object o WHERE o.recording_id = s.recording_id AND o.state = 'registered')
           AS object_key
    FROM segment s WHERE s.segment_id = ANY(:ids)
""")


def of_segments(tx: Transaction, segment_ids: Sequence[UUID]) -> dict[UUID, Place]:
    """Those of them that still stand."""
    return {
        row.segment_id: Place(row.object_key, seconds(row.start_sample), seconds(row.end_sample))
        for row in tx.execute(_PLACES, {"ids": list(segment_ids)})
    }
