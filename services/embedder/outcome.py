"""What one encoder made of the segments of a message, piece by piece."""

from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from jaxtyping import Float32, Float64

from shared.storage.frames import FrameBlob
from shared.vectors import ZeroVector, unit


@dataclass(slots=True)
class Outcome:
    """Sums of the vectors of each segment's pieces, weighted by length; and why a segment has none.

    A segment of one piece keeps that piece's vector. A long one gets the unit mean of its pieces, as an utterance gets
    the unit mean of its windows. It has no vector only if none of its pieces has one.
    """

    _sums: dict[UUID, Float64[np.ndarray, " dim"]] = field(default_factory=dict)
    _reasons: dict[UUID, str] = field(default_factory=dict)
    _frames: dict[UUID, FrameBlob] = field(default_factory=dict)
    made_with: str = ""

    def add(self, segment_id: UUID, vector: Float32[np.ndarray, " dim"], n_samples: int) -> None:
        """Count a piece's vector."""
        weighted = vector.astype(np.float64) * n_samples
        self._sums[segment_id] = self._sums[segment_id] + weighted if segment_id in self._sums else weighted

    def refuse(self, segment_id: UUID, reason: str) -> None:
        """Note why a piece has no vector."""
        self._reasons.setdefault(segment_id, reason)

    def keep(self, segment_id: UUID, blob: FrameBlob | None) -> None:
        """Note where a segment's frames lie, once they are whole."""
        if blob is not None:
            self._frames[segment_id] = blob

    def frames(self) -> dict[UUID, FrameBlob]:
        """Where the frames of segments lie, for encoders that keep them."""
        return self._frames

    def vectors(self) -> dict[UUID, Float32[np.ndarray, " dim"]]:
        """The unit vector of every segment that has one."""
        found = {}
        for segment_id, total in self._sums.items():
            try:
                found[segment_id] = unit(total)
            except ZeroVector as error:  # pieces that cancel out
                self._reasons[segment_id] = error.code
        return found

    def reasons(self) -> dict[UUID, str]:
        """Why each of the others has none."""
        with_vector = self.vectors().keys()
        return {segment_id: why for segment_id, why in self._reasons.items() if segment_id not in with_vector}
