"""Where the frames of segments lie in the derived bucket, and how many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from shared.storage.database import Transaction
from shared.storage.encoders import StoredEncoder


@dataclass(frozen=True, slots=True)
class FrameBlob:
    """A `.npy` of shape (n_frames, dimension) under `frames_key`."""

    segment_id: UUID
    sha256: str
    n_frames: int
    dimension: int
    dtype: str
    size_bytes: int


def frames_key(space: str, sha256: str) -> str:
    """The key in the derived bucket: equal frames of a space lie there once."""
    return f"frames/{space}/{sha256[:2]}/{sha256}.npy"


_WRITE = sa.text("""
    INSERT INTO frame_blob (encoder_id, segment_id, sha256, n_frames, dimension, dtype, size_bytes)
    SELECT :encoder_id, n.* FROM unnest(CAST(:ids AS uuid[]), CAST(:hashes AS text[]), CAST(:n_frames AS int[]),
        CAST(:dimensions AS int[]), CAST(:dtypes AS text[]), CAST(:sizes AS bigint[])) AS n
    ON CONFLICT (encoder_id, segment_id) DO UPDATE SET sha256 = excluded.sha256, n_frames = excluded.n_frames,
        dimension = excluded.dimension, dtype = excluded.dtype, size_bytes = excluded.size_bytes
""")


def write(tx: Transaction, encoder: StoredEncoder, blobs: Sequence[FrameBlob]) -> None:
    """Write down where the frames of these segments, which stand, lie."""
    if not blobs:
        return
    values = {
        "ids": [b.segment_id for b in blobs],
        "hashes": [b.sha256 for b in blobs],
        "n_frames": [b.n_frames for b in blobs],
        "dimensions": [b.dimension for b in blobs],
        "dtypes": [b.dtype for b in blobs],
        "sizes": [b.size_bytes for b in blobs],
    }
    tx.execute(_WRITE, {"encoder_id": encoder.encoder_id, **values})


_OF = sa.text("""
    SELECT segment_id, sha256, n_frames, dimension, dtype, size_bytes FROM frame_blob
    WHERE encoder_id = :encoder_id AND segment_id = ANY(:ids)
""")


def of_segments(tx: Transaction, encoder: StoredEncoder, segment_ids: Sequence[UUID]) -> dict[UUID, FrameBlob]:
    """The frames of those segments that have some."""
    rows = tx.execute(_OF, {"encoder_id": encoder.encoder_id, "ids": list(segment_ids)})
    return {row.segment_id: FrameBlob(*row) for row in rows}


_DISCARD = sa.text("""
    WITH gone AS (
        DELETE FROM frame_blob WHERE segment_id = ANY(:ids) RETURNING encoder_id, sha256, segment_id
    )
    SELECT DISTINCT e.space, g.sha256 FROM gone g JOIN encoder e USING (encoder_id)
    WHERE NOT EXISTS (SELECT FROM frame_blob o WHERE o.encoder_id = g.encoder_id AND o.sha256 = g.sha256
                      AND o.segment_id <> ALL(:ids))
""")


def discard(tx: Transaction, segment_ids: Sequence[UUID]) -> list[str]:
    """Forget the frames of segments that are gone; returns the keys that nobody else's frames lie under."""
    rows = tx.execute(_DISCARD, {"ids": list(segment_ids)})
    return sorted(frames_key(row.space, row.sha256) for row in rows)
