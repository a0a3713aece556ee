"""Clips as one tensor, and how many of them a pass takes."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32

from shared.units import samples

# A CPU gains nothing from width, and is best within its caches; a GPU wants as much as there is.
_AUDIO_S_PER_PASS: Final = {"cpu": 10.0, "cuda": 300.0}


def samples_per_pass(device: torch.device, rate_hz: int) -> int:
    """Of all clips of a pass together, padding counted."""
    return samples(_AUDIO_S_PER_PASS[device.type], rate_hz)


def stacked(
    clips: Sequence[Float32[np.ndarray, " _samples"]], device: torch.device, n_samples: int = 0
) -> Float32[torch.Tensor, "clips samples"]:
    """One row a clip, zeros behind those that are shorter than the longest, and than `n_samples`."""
    rows = np.zeros((len(clips), max(n_samples, *(clip.size for clip in clips))), np.float32)
    for row, clip in zip(rows, clips, strict=True):
        row[: clip.size] = clip
    return torch.from_numpy(rows).to(device)
