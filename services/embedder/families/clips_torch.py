"""Clips as one tensor, and how many of them a pass takes."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32

from services.embedder.encoders.passes_torch import Passes
from services.embedder.encoders.staging_torch import Staging
from shared.units import samples

# A CPU gains nothing from width, and is best within its caches. On a GPU some 6000 frames keep a network's products
# busy, and a call (`EARMARK_EMBEDDER__BATCH_AUDIO_S`) has several passes, so that one is loaded beside another.
_AUDIO_S_PER_PASS: Final = {"cpu": 10.0, "cuda": 120.0}


def passes_of_audio(device: torch.device, rate_hz: int) -> Passes:
    """As wide as suits the device, in samples of all clips of a pass together, padding counted."""
    return Passes(samples(_AUDIO_S_PER_PASS[device.type], rate_hz), Staging(device))


def stacked(
    clips: Sequence[Float32[np.ndarray, " _samples"]], n_samples: int = 0
) -> Float32[torch.Tensor, "clips samples"]:
    """One row a clip, on the host, zeros behind those that are shorter than the longest, and than `n_samples`."""
    rows = np.zeros((len(clips), max(n_samples, *(clip.size for clip in clips))), np.float32)
    for row, clip in zip(rows, clips, strict=True):
        row[: clip.size] = clip
    return torch.from_numpy(rows)
