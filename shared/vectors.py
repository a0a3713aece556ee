"""Small numpy functions on embedding vectors. A zero vector has no direction: it is an error here, never a NaN."""

import numpy as np
from jaxtyping import Float, Float32

from shared.errors import PermanentError

_SHORTEST = 1e-12  # below this a norm is rounding noise and dividing by it makes up a direction


class ZeroVector(PermanentError):
    """A vector without a direction cannot be compared: it would match everyone equally. Leave it out."""

    code = "zero_vector"


def unit_rows(vectors: Float[np.ndarray, "n dim"]) -> Float32[np.ndarray, "n dim"]:
    """Scale each row to length one, as float32.

    Raises ZeroVector if a row is zero or not finite.
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    # `not (a > b)` instead of `a <= b`, so that NaN counts as directionless too
    bad = np.flatnonzero(~(np.isfinite(norms[:, 0]) & (norms[:, 0] > _SHORTEST)))
    if bad.size:
        raise ZeroVector(f"Row {bad[0]} of {len(vectors)} is zero or not finite.")
    return np.asarray(vectors / norms, np.float32)


def unit(vector: Float[np.ndarray, " dim"]) -> Float32[np.ndarray, " dim"]:
    """Scale one vector to length one, as float32. Raises ZeroVector."""
    return unit_rows(vector[np.newaxis]).reshape(-1)


def cosine(left: Float[np.ndarray, "n dim"], right: Float[np.ndarray, "m dim"]) -> Float32[np.ndarray, "n m"]:
    """Cosine similarity of every left row with every right row, in -1..1. Rows need not be unit. Raises ZeroVector."""
    return np.asarray(np.clip(unit_rows(left) @ unit_rows(right).T, -1.0, 1.0), np.float32)


def centroid(vectors: Float[np.ndarray, "n dim"]) -> Float32[np.ndarray, " dim"]:
    """The direction that the unit rows share: their mean, scaled to length one.

    Raises ZeroVector for no rows, a zero row, or rows that cancel out.
    """
    return unit(unit_rows(vectors).sum(axis=0, dtype=np.float64))
