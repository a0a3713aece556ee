"""Read the clips of many segments, each recording opened once and read forwards."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

import numpy as np
from jaxtyping import Float32

from services.embedder.blobs import AudioGone
from services.embedder.ports import Embedder
from shared.errors import EarmarkError
from shared.storage.recordings import AudioSource
from shared.storage.segments import SegmentSpan
from shared.units import SAMPLE_RATE_HZ, samples

if TYPE_CHECKING:
    import soundfile

LONGEST_CLIP_S = 120.0
"""A longer segment is read in even pieces of at most two minutes, so that a recording of hours needs no more memory."""

_MOST_MISSING_S: Final = 0.01
"""What a rendition may lack at its end, as resamplers round."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One segment's audio at the rate that was asked for, or a piece of a long one."""

    span: SegmentSpan
    samples: Float32[np.ndarray, " samples"]
    is_last: bool  # of its segment's pieces


@dataclass(frozen=True, slots=True)
class NoClip:
    """A segment whose audio cannot be read now, and why; it is tried again with its recording."""

    span: SegmentSpan
    error: EarmarkError


def clips(
    spans: Sequence[SegmentSpan], sources: Mapping[UUID, AudioSource], embedder: Embedder, rate_hz: int
) -> Iterator[Clip | NoClip]:
    """The audio of every span, in order; `spans` is sorted by recording and start. Downloads run ahead.

    `sources` are files at that rate.
    """
    by_recording = [(key, list(group)) for key, group in groupby(spans, key=lambda s: s.recording_id)]
    fetching = {key: embedder.fetching.submit(embedder.blobs.path, sources[key]) for key, _ in by_recording}
    for key, group in by_recording:
        for one in _of_recording(group, fetching[key], rate_hz):
            if isinstance(one, NoClip):
                embedder.blobs.drop(sources[key])
            yield one


def _of_recording(spans: Sequence[SegmentSpan], fetching: "Future[Path]", rate_hz: int) -> Iterator[Clip | NoClip]:
    import soundfile  # loads a codec library: not before there is something to read

    unread = deque(spans)
    try:
        with soundfile.SoundFile(fetching.result()) as file:
            while unread:
                yield from _of_segment(unread[0], file, rate_hz)
                unread.popleft()
    except EarmarkError as error:
        yield from (NoClip(span, error) for span in unread)
    except soundfile.LibsndfileError as error:
        if rate_hz != SAMPLE_RATE_HZ:  # a rendition: none would be made anew
            raise
        yield from (NoClip(span, AudioGone(f"Its copy cannot be read: {error}.")) for span in unread)


def _of_segment(span: SegmentSpan, file: "soundfile.SoundFile", rate_hz: int) -> Iterator[Clip]:
    """Raises AudioGone when the file breaks off before the segment's end."""
    start, end = (sample * rate_hz // SAMPLE_RATE_HZ for sample in (span.start_sample, span.end_sample))
    if file.tell() != start:
        file.seek(start)
    pieces = _pieces(end - start, samples(LONGEST_CLIP_S, rate_hz))
    for number, n_samples in enumerate(pieces, 1):
        piece = file.read(n_samples, dtype="float32")
        if n_samples - len(piece) > rate_hz * _MOST_MISSING_S:
            raise AudioGone("Its copy breaks off.")
        yield Clip(span, piece, number == len(pieces))


def _pieces(n_samples: int, longest: int) -> list[int]:
    """Lengths of the pieces that a segment is read in, equal to within a sample."""
    n_pieces = max(1, ceil(n_samples / longest))
    return [n_samples * (k + 1) // n_pieces - n_samples * k // n_pieces for k in range(n_pieces)]


def portions(read: Iterator[Clip | NoClip], most_samples: int) -> Iterator[list[Clip | NoClip]]:
    """Consecutive clips of at most so many samples together, or one longer clip alone: what memory must hold."""
    portion: list[Clip | NoClip] = []
    n_samples = 0
    for one in read:
        length = len(one.samples) if isinstance(one, Clip) else 0
        if portion and n_samples + length > most_samples:
            yield portion
            portion, n_samples = [], 0
        portion.append(one)
        n_samples += length
    if portion:
        yield portion
