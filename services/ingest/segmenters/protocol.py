"""What a segmenter is, and what it is given to work on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32


@dataclass(frozen=True, slots=True)
class Word:
    """A transcribed word, and when it is said: in samples at 16 kHz, `end_sample` not included."""

    start_sample: int
    end_sample: int
    text: str  # with the space in front that parts it from the word before, if there is one


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a recording in samples at 16 kHz, `end_sample` not included."""

    start_sample: int
    end_sample: int
    text: str | None = None  # what is said, if the segmenter transcribes
    speaker_label: str | None = None  # a diarization label of this recording alone: never a speaker
    words: tuple[Word, ...] = ()  # those of `text`, if the segmenter knows when each is said

    def __post_init__(self) -> None:
        if not 0 <= self.start_sample < self.end_sample:
            raise ValueError(f"a span from {self.start_sample} to {self.end_sample}")


@dataclass(frozen=True, slots=True)
class Hints:
    """What somebody knows of a recording before it is cut; None is unknown. A segmenter without labels ignores it."""

    min_speakers: int | None = None
    max_speakers: int | None = None

    def __post_init__(self) -> None:
        least, most = self.min_speakers or 1, self.max_speakers
        if self.min_speakers is not None and self.min_speakers < 1:
            raise ValueError("a recording has at least one speaker")
        if most is not None and most < least:
            raise ValueError(f"at least {least} speakers cannot be at most {most}")


NO_HINTS: Final = Hints()


@dataclass(frozen=True, slots=True)
class SegmenterSpec:
    """A segmenter's identity: segments carry `name@revision`, so any change of results needs a new revision."""

    name: str
    revision: str
    needs_audio: bool  # False: the reader's n_samples and peak are enough, and the file is not fetched
    description: str


@runtime_checkable
class AudioReader(Protocol):
    """One recording: 16 kHz mono, full scale 1."""

    @property
    def n_samples(self) -> int:
        """Length in samples."""

    @property
    def peak(self) -> float:
        """Largest magnitude, known from decoding; 0 is digital silence."""

    def blocks(self, n_samples: int) -> Iterator[Float32[np.ndarray, " samples"]]:
        """All of it in order, in blocks of `n_samples`; the last one may be shorter."""

    def read(self, start_sample: int, end_sample: int) -> Float32[np.ndarray, " samples"]:
        """The samples from start to end, as far as there are any."""


@runtime_checkable
class Segmenter(Protocol):
    """Finds the spans of a recording: sorted, disjoint unless voices overlap, within the recording."""

    @property
    def spec(self) -> SegmenterSpec:
        """Who it is."""

    def segments(self, audio: AudioReader, hints: Hints = NO_HINTS) -> list[Span]:
        """The spans of one recording; calls do not influence each other."""


@dataclass(frozen=True, slots=True)
class SegmenterPlugin:
    """What an entry point of `earmark.segmenters` names. Its module loads nothing heavy; `build` may."""

    spec: SegmenterSpec
    build: Callable[[], Segmenter]
    requires: tuple[str, ...] = ()  # distributions without which `build` fails: then the segmenter is not offered
