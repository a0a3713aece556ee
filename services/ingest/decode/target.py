"""The decoded audio, written as mono 16-bit FLAC while it streams past."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float32

from services.ingest.decode.convert import Downmix, Loudness, Resampler, converted, quantise
from services.ingest.decode.pcm import PcmSource
from services.ingest.decode.pcm_soundfile import SequentialSoundFile


@dataclass(frozen=True, slots=True)
class Written:
    """The audio that went into a target."""

    loudness: Loudness
    notes: tuple[str, ...] = ()
    louder_channel: int | None = None  # to take instead, as the channels cancelled each other in their mean


def write_target(
    blocks: Iterator[Float32[np.ndarray, "frames channels"]],
    pcm: PcmSource,
    target: Path,
    chosen: int | None,
    rate_hz: int,
) -> Written:
    """Write the mean of all channels, or the chosen one, to `target`. Raises OSError where that cannot be done."""
    downmix = Downmix(pcm.channels, chosen)
    writer = _Writer(target, rate_hz)
    with writer.file:
        for mono in converted(blocks, downmix, Resampler(pcm.sample_rate_hz, rate_hz)):
            writer.write(mono)
    return Written(writer.loudness, ("clipped",) if writer.clipped else (), downmix.louder_if_cancelled())


class _Writer:
    """A FLAC file and what has gone into it."""

    def __init__(self, target: Path, rate_hz: int) -> None:
        self._target = target
        self.loudness = Loudness()
        self.clipped = False
        try:
            self.file = SequentialSoundFile(
                os.fsencode(target), "w", samplerate=rate_hz, channels=1, format="FLAC", subtype="PCM_16"
            )
        except soundfile.LibsndfileError as error:
            raise OSError(f"Cannot write {target}.") from error

    def write(self, mono: Float32[np.ndarray, " samples"]) -> None:
        if len(mono) == 0:
            return
        samples, clipped = quantise(mono)
        self.clipped = self.clipped or clipped
        self.loudness.add(samples.astype(np.float32) / np.float32(2**15))
        try:
            self.file.write(samples)
        except soundfile.LibsndfileError as error:
            raise OSError(f"Cannot write {self._target}.") from error
