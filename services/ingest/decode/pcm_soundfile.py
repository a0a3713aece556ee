"""WAV, FLAC, MP3 and Ogg Vorbis through libsndfile."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from jaxtyping import Float32

from services.ingest.decode.errors import Corrupt
from services.ingest.decode.pcm import BLOCK_SAMPLES, CannotOpen
from services.ingest.sniff import Container

_FORMATS: Final[dict[Container, frozenset[str]]] = {
    Container.WAV: frozenset({"WAV", "WAVEX", "RF64"}),
    Container.FLAC: frozenset({"FLAC"}),
    Container.MP3: frozenset({"MP3"}),
    Container.OGG: frozenset({"OGG"}),
}
_CODECS: Final = {"MPEG_LAYER_III": "mp3", "MPEG_LAYER_II": "mp2", "VORBIS": "vorbis", "OPUS": "opus"}
_LEAST_FRAMES: Final = 1024  # beyond the stated length, which MP3 may only estimate
_OUT_OF_MEMORY: Final = 17  # SFE_MALLOC_FAILED


class SequentialSoundFile(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A sound file that is read or written from start to end.

    soundfile seeks to where it already is after every block of a seekable file. In FLAC that turns damage at the end
    of a block into "bad seek", fails on files that do not state their length, and costs time on writing.
    """

    def seekable(self) -> bool:
        """Never, so that nothing seeks."""
        return False


class SoundfilePcm:
    """A PcmSource over libsndfile."""

    def __init__(self, path: Path, container: Container) -> None:
        try:
            # Not by its name: beside a file that it does not know, libsndfile opens `._<name>`, as of a Macintosh.
            self._file = SequentialSoundFile(os.open(path, os.O_RDONLY))
        except soundfile.LibsndfileError as error:
            _raise_if_out_of_memory(error)
            raise CannotOpen from error
        if self._file.format not in _FORMATS[container]:
            self._file.close()
            raise CannotOpen
        self.sample_rate_hz: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.codec: str = "flac" if container is Container.FLAC else _codec(self._file.subtype)
        self.n_damaged = 0

    def blocks(self) -> Iterator[Float32[np.ndarray, "frames channels"]]:
        """All samples in order. Raises Corrupt where libsndfile reports damage (FLAC checksums, above all)."""
        most = max(1, BLOCK_SAMPLES // self.channels)
        n_read = 0
        while True:
            # libsndfile zeroes what it cannot fill: asking a one-second file for a full block costs twice its decoding
            expected = self._file.frames - n_read
            try:
                block = self._file.read(min(most, max(_LEAST_FRAMES, expected)), dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                _raise_if_out_of_memory(error)
                raise Corrupt(f"Decoding fails after {n_read / self.sample_rate_hz:.2f} s.") from error
            if len(block) == 0:
                return
            n_read += len(block)
            yield block

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _codec(subtype: str) -> str:
    return _CODECS.get(subtype, subtype.lower())


def _raise_if_out_of_memory(error: soundfile.LibsndfileError) -> None:
    if error.code == _OUT_OF_MEMORY:
        raise MemoryError from error
