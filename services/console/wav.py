"""One stretch of a recording as a 16-bit WAV file that can be read from any byte on without making the rest."""

import struct
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import soundfile

from services.console.ranges import ByteRange
from shared.units import SAMPLE_RATE_HZ

_SAMPLE_BYTES: Final = 2
_HEADER_BYTES: Final = 44
_BLOCK_SAMPLES: Final = 1 << 16
_FULL_SCALE: Final = 32768
"""libsndfile reads 16-bit audio as multiples of its inverse, so that PCM comes out bit by bit as it went in."""


def size_bytes(n_samples: int) -> int:
    """The whole file: header and samples."""
    return _HEADER_BYTES + _SAMPLE_BYTES * n_samples


@dataclass(frozen=True, slots=True)
class WavSpan:
    """Samples `start` up to and without `end` of an open 16 kHz mono file, which is closed once it was read."""

    file: soundfile.SoundFile
    start_sample: int
    end_sample: int

    def read(self, wanted: ByteRange) -> Generator[bytes, None, None]:
        """Those bytes of the WAV file, a block at a time."""
        if wanted.start < _HEADER_BYTES:
            yield self._header()[wanted.start : wanted.end]
        first_byte = max(wanted.start - _HEADER_BYTES, 0)
        n_bytes = wanted.end - _HEADER_BYTES - first_byte
        if n_bytes <= 0:
            return
        skipped = first_byte % _SAMPLE_BYTES
        for block in self._blocks(first_byte // _SAMPLE_BYTES):
            part = block[skipped : skipped + n_bytes]
            skipped = 0
            n_bytes -= len(part)
            yield part
            if n_bytes == 0:
                return

    def _header(self) -> bytes:
        n_bytes = size_bytes(self.end_sample - self.start_sample) - _HEADER_BYTES
        form = struct.pack(
            "<HHIIHH", 1, 1, SAMPLE_RATE_HZ, SAMPLE_RATE_HZ * _SAMPLE_BYTES, _SAMPLE_BYTES, 8 * _SAMPLE_BYTES
        )
        parts = (
            *(b"RIFF", struct.pack("<I", _HEADER_BYTES - 8 + n_bytes), b"WAVE"),
            *(b"fmt ", struct.pack("<I", len(form)), form),
            *(b"data", struct.pack("<I", n_bytes)),
        )
        return b"".join(parts)

    def _blocks(self, from_sample: int) -> Iterator[bytes]:
        """Sample bytes up to the end of the span; what the file lacks is silence, for the length was promised."""
        at = self.start_sample + from_sample
        with self.file as file:
            file.seek(min(at, file.frames))
            while at < self.end_sample:
                n_samples = min(_BLOCK_SAMPLES, self.end_sample - at)
                # Not as int16: libsndfile would turn a float file into zeros.
                audio = file.read(n_samples, dtype="float32", always_2d=True, fill_value=0.0)[:, 0]
                clipped = np.clip(np.rint(audio * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1)
                yield clipped.astype("<i2").tobytes()
                at += n_samples
