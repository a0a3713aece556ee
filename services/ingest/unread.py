"""A recording for segmenters that need no audio: its length and peak, without the file."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32


class UnreadAudio:
    """An AudioReader for segmenters that need no audio: knows length and peak, and refuses to be read."""

    def __init__(self, n_samples: int, peak: float) -> None:
        self.n_samples = n_samples
        self.peak = peak

    def blocks(self, n_samples: int) -> Iterator[Float32[np.ndarray, " samples"]]:
        """Raises RuntimeError: the segmenter's spec says that it needs no audio."""
        raise RuntimeError(f"asked for blocks of {n_samples} samples without having said needs_audio")

    def read(self, start_sample: int, end_sample: int) -> Float32[np.ndarray, " samples"]:
        """Raises RuntimeError: the segmenter's spec says that it needs no audio."""
        raise RuntimeError(f"asked for samples {start_sample} to {end_sample} without having said needs_audio")
