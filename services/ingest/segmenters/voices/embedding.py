"""Vectors of a recording's windows, with no more of its audio in memory than one batch needs."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from jaxtyping import Float32

from services.ingest.segmenters.protocol import AudioReader
from services.ingest.segmenters.voices.windows import Windows
from shared.encoders.clips import why_unusable

Embed = Callable[[Sequence[Float32[np.ndarray, " _samples"]]], Float32[np.ndarray, "clips dim"]]
"""Clips at 16 kHz to unit rows: `shared.encoders.protocol.Encoder.embed`."""

_BATCH_WINDOWS: Final = 80
"""Windows embedded at once: two of GE2E's passes on a CPU, and 33 s of audio where the windows overlap."""


def embedded(embed: Embed, audio: AudioReader, windows: Windows) -> Float32[np.ndarray, "windows dim"]:
    """One unit row a window; a row of zeros where there is nothing to embed, such as digital silence."""
    rows = [_batch(embed, clips) for clips in _clips(audio, windows)]
    dimension = max(batch.shape[1] for batch in rows)
    return np.concatenate(
        [batch if batch.shape[1] else np.zeros((len(batch), dimension), np.float32) for batch in rows]
    )


def _batch(embed: Embed, clips: Sequence[Float32[np.ndarray, " _samples"]]) -> Float32[np.ndarray, "clips dim"]:
    """Rows of no columns if none of the clips can be embedded: only the encoder knows its dimension."""
    usable = [number for number, clip in enumerate(clips) if why_unusable(clip) is None]
    if not usable:
        return np.zeros((len(clips), 0), np.float32)
    found = embed([clips[number] for number in usable])
    rows = np.zeros((len(clips), found.shape[1]), np.float32)
    rows[usable] = found
    return rows


def _clips(audio: AudioReader, windows: Windows) -> Iterator[list[Float32[np.ndarray, " _samples"]]]:
    """Batches of clips, in order; those of one region are views of one stretch."""
    batch: list[Float32[np.ndarray, " _samples"]] = []
    for region in windows.of_each_region():
        for first in range(region.start, region.stop, _BATCH_WINDOWS):
            part = slice(first, min(first + _BATCH_WINDOWS, region.stop))
            starts, ends = windows.start_sample[part], windows.end_sample[part]
            origin = int(starts[0])
            stretch = audio.read(origin, int(ends[-1]))
            batch += [stretch[s - origin : e - origin] for s, e in zip(starts.tolist(), ends.tolist(), strict=True)]
            if len(batch) >= _BATCH_WINDOWS:
                yield batch
                batch = []
    if batch:
        yield batch
