"""The scored vectors of recordings, added up in flat memory."""

from collections.abc import Callable, Iterable
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from jaxtyping import Float32, Float64

from shared.storage import embeddings
from shared.storage.database import Transaction
from shared.storage.encoders import StoredEncoder

_ROWS_AT_ONCE = 2000

_SEGMENTS = sa.text("SELECT segment_id, recording_id FROM segment WHERE recording_id = ANY(:ids) ORDER BY 2, 1")


Scored = Callable[[Float32[np.ndarray, "rows dim"]], Float64[np.ndarray, "rows dim"]]


def scored_sums(
    tx: Transaction, encoder: StoredEncoder, recording_ids: Iterable[UUID], scored: Scored
) -> dict[UUID, Float64[np.ndarray, " dim"]]:
    """The sum of the scored vectors of each recording's segments; recordings without any vector are left out."""
    row_of = {recording_id: row for row, recording_id in enumerate(recording_ids)}
    sums = np.zeros((len(row_of), encoder.dimension))
    seen = np.zeros(len(row_of), bool)
    found = tx.execute(_SEGMENTS, {"ids": list(row_of)}, execution_options={"yield_per": _ROWS_AT_ONCE})
    for block in found.partitions():
        recording_of = {row.segment_id: row_of[row.recording_id] for row in block}
        vectors = embeddings.of_segments(tx, encoder, list(recording_of))
        rows = [recording_of[segment_id] for segment_id in vectors.segment_ids()]
        np.add.at(sums, rows, scored(vectors.rows))
        seen[rows] = True
    return {recording_id: sums[row] for recording_id, row in row_of.items() if seen[row]}
