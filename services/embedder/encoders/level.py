"""How loud a clip is, and what would make a quiet one louder."""

import math

import numpy as np
from jaxtyping import Float32


def gain_to_at_least(rms_db: float, clip: Float32[np.ndarray, " samples"]) -> float:
    """The factor that raises a clip's level to `rms_db` (dB below full scale); 1 for a louder clip or for silence."""
    rms = math.sqrt(float(np.dot(clip, clip)) / clip.size)
    return max(1.0, 10 ** (rms_db / 20) / rms) if rms > 0 else 1.0
