"""A recording's decoded audio in a local file, as segmenters read it."""

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float32

from services.ingest.decode.pcm_soundfile import SequentialSoundFile


class AudioFile:
    """An AudioReader over a 16 kHz mono FLAC or WAV file, such as decoding leaves.

    Close it, or use it as a context manager. Reads the file for its peak only if that is not given.
    """

    def __init__(self, path: Path, peak: float | None = None) -> None:
        self._path = path
        self._known_peak = peak
        self._file = soundfile.SoundFile(os.fsencode(path))
        if (self._file.samplerate, self._file.channels) != (16_000, 1):
            self._file.close()
            raise ValueError(f"{path} is not 16 kHz mono")

    @property
    def n_samples(self) -> int:
        """Length in samples."""
        return int(self._file.frames)

    @cached_property
    def peak(self) -> float:
        """Largest magnitude, full scale being 1."""
        if self._known_peak is not None:
            return self._known_peak
        return max((float(np.abs(block).max()) for block in self.blocks(2**20)), default=0.0)

    def blocks(self, n_samples: int) -> Iterator[Float32[np.ndarray, " samples"]]:
        """All of it in order, in blocks of `n_samples`; the last one may be shorter."""
        with SequentialSoundFile(os.fsencode(self._path)) as file:
            for start in range(0, self.n_samples, n_samples):
                yield file.read(min(n_samples, self.n_samples - start), dtype="float32")

    def read(self, start_sample: int, end_sample: int) -> Float32[np.ndarray, " samples"]:
        """The samples from start to end, as far as there are any."""
        start = min(max(0, start_sample), self.n_samples)
        self._file.seek(start)
        samples: Float32[np.ndarray, " samples"] = self._file.read(max(0, end_sample - start), dtype="float32")
        return samples

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "AudioFile":  # noqa: PYI034  # beartype takes methods one by one in tests, and knows no Self there
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
