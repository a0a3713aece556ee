"""The back-end: what is done to a collection's vectors before a cosine compares them, and how it is learned from them.

Without labels: centring, then within-class covariance normalisation (Hatch, Kajarekar and Stolcke, "Within-class
covariance normalization for SVM-based speaker recognition", 2006), with first-neighbour groups in place of speakers.
Few or similar vectors leave the plain cosine nearly as it is.
"""

import io
from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float32, Float64


@dataclass(frozen=True, slots=True)
class Backend:
    """An affine map, after which vectors are scaled to length one. Learned once, then kept: scores depend on it."""

    offset: Float64[np.ndarray, " dim"]  # taken away from a unit vector; of values that float32 holds
    whitening: Float64[np.ndarray, "dim dim"]  # symmetric; applied to what is left; of values that float32 holds
    reach: float  # what is shorter than this after both has no direction, and keeps a length below one
    n_voices: float  # about how many voices the collection holds, as far as the plain cosine can tell

    def scored(self, rows: Float32[np.ndarray, "rows dim"]) -> Float64[np.ndarray, "rows dim"]:
        """Unit rows of the encoder as rows whose inner products are scores, in -1..1.

        A row near the offset comes out shorter than one: it is like everybody, and so near to nobody.
        """
        turned = (rows.astype(np.float64) - self.offset) @ self.whitening
        lengths = np.linalg.norm(turned, axis=1, keepdims=True)
        found: Float64[np.ndarray, "rows dim"] = turned / np.maximum(lengths, self.reach)
        return found

    def to_bytes(self) -> bytes:
        """What `from_bytes` reads, the same for the same back-end; 0.26 MB at 256 dimensions."""
        buffer = io.BytesIO()
        scalars = np.array([self.reach, self.n_voices])
        for array in (scalars, self.offset.astype(np.float32), self.whitening.astype(np.float32)):
            np.save(buffer, array, allow_pickle=False)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """The back-end that was stored."""
        buffer = io.BytesIO(stored)
        scalars, offset, whitening = (np.load(buffer, allow_pickle=False) for _ in range(3))
        return cls(offset.astype(np.float64), whitening.astype(np.float64), float(scalars[0]), float(scalars[1]))
