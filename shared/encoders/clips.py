"""Which clips can be embedded at all, decided before a batch is formed: one bad clip must not fail its batch mates."""

from typing import Final, Literal

import numpy as np
from jaxtyping import Float32

Unusable = Literal[
    "no_samples", "not_finite", "no_voice", "no_text", "of_text", "zero_vector", "not_rendered", "original_gone"
]
"""Stable reasons, kept beside the segment: empty, NaN or infinity in it, digital silence; nothing for an encoder of
texts to read, or for one of audio to hear; a vector without direction; audio that cannot be made at the encoder's rate,
or whose original, from which it would be made, is gone.
"""

UNREADABLE: Final[tuple[Unusable, ...]] = ("not_rendered", "original_gone")
"""Those that say nothing of the segment: a backfill tries such a segment again."""


def why_unusable(clip: Float32[np.ndarray, " samples"]) -> Unusable | None:
    """Why a clip has no vector, or None if it has one.

    Shortness is no reason: one sample is enough for a vector, and whether to trust it is for whoever knows its
    duration (`EncoderSpec.min_duration_s`). A constant signal is: a model answers silence with some vector, the same
    for every silence, and all of them would become one well-populated speaker.
    """
    if clip.size == 0:
        return "no_samples"
    lowest, highest = float(clip.min()), float(clip.max())  # both are NaN if any sample is
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        return "not_finite"
    # one sample cannot vary: it is silent only if it is zero
    return "no_voice" if lowest == highest and (clip.size > 1 or lowest == 0.0) else None
