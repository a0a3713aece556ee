"""Samples out of a file, block by block: dr_flac and libsndfile where they are fastest, FFmpeg for the rest."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from services.ingest.decode.headers.promise import Promise
from services.ingest.sniff import Container

BLOCK_SAMPLES: Final = 262_144  # of all channels together: 1 MiB of float32


class CannotOpen(Exception):
    """One library does not read the file; another may."""


class Undecided(Exception):
    """A library came to an odd end; what ails the file is for another one to say, from the start."""


@runtime_checkable
class PcmSource(Protocol):
    """One file's audio. Full scale is 1; floats may exceed it."""

    codec: str
    sample_rate_hz: int
    channels: int
    n_damaged: int  # packets that did not decode and were left out

    def blocks(self) -> Iterator[Float32[np.ndarray, "frames channels"]]:
        """All samples in order, once. Raises Corrupt where they cannot be decoded."""

    def close(self) -> None:
        """Let go of the file."""


def open_pcm(path: Path, handle: BinaryIO, container: Container, promise: Promise) -> PcmSource:
    """Open the audio of a file with the library that suits it.

    Its blocks may raise Undecided: then the file is to be opened again, with `promise.for_a_judge()`. Raises
    NoAudioStream, UnsupportedCodec, or Corrupt if no library makes sense of the file.
    """
    if promise.decoder == "miniaudio":
        from services.ingest.decode.pcm_miniaudio import MiniaudioPcm

        return MiniaudioPcm(path, promise)
    if promise.decoder == "soundfile":
        from services.ingest.decode.pcm_soundfile import SoundfilePcm

        try:
            return SoundfilePcm(path, container)
        except CannotOpen:
            pass  # FFmpeg reads more: BW64, MP3 in WAV, Ogg FLAC
    from services.ingest.decode.pcm_av import AvPcm

    return AvPcm(handle, container)
