"""Turns of labelled speakers by a diarization pipeline of pyannote.audio, which loads when it is built."""

from collections.abc import Iterator
from functools import partial
from typing import Final, Protocol

import numpy as np
from jaxtyping import Float32

from services.ingest.segmenters.protocol import (
    NO_HINTS,
    AudioReader,
    Hints,
    Segmenter,
    SegmenterPlugin,
    SegmenterSpec,
    Span,
)
from shared.checkpoints import Checkpoint, checkpoint
from shared.settings import Settings
from shared.units import samples

_AT_ONCE_SAMPLES: Final = samples(2 * 3600.0)


class Diarizer(Protocol):
    """A pipeline on samples: turns in seconds with labels, sorted."""

    def turns(self, samples: Float32[np.ndarray, " samples"], hints: Hints) -> list[tuple[float, float, str]]:
        """Start, end and label of each turn."""


class PyannoteSegmenter:
    """One segment a turn, with the pipeline's label of who speaks.

    Turns of two who speak at once overlap; in the exclusive mode, which suits text, the louder one has that stretch.
    The pipeline wants its audio in memory (230 MB an hour, and as much again while it works), so two hours go through
    at a time; what is longer has labels of its own for each two hours: `2/SPEAKER_00`.
    """

    def __init__(self, spec: SegmenterSpec, diarizer: Diarizer) -> None:
        self.spec = spec
        self._diarizer = diarizer

    def segments(self, audio: AudioReader, hints: Hints = NO_HINTS) -> list[Span]:
        """The turns of a recording; none in digital silence. The hints say how many people speak."""
        if audio.peak == 0:
            return []
        return sorted(self._spans(audio, hints), key=lambda span: (span.start_sample, span.end_sample))

    def _spans(self, audio: AudioReader, hints: Hints) -> Iterator[Span]:
        many = audio.n_samples > _AT_ONCE_SAMPLES
        for i, first in enumerate(range(0, audio.n_samples, _AT_ONCE_SAMPLES)):
            stretch = audio.read(first, first + _AT_ONCE_SAMPLES)
            for start_s, end_s, label in self._diarizer.turns(stretch, hints):
                start, end = max(0, samples(start_s)), min(samples(end_s), stretch.size)
                if start < end:
                    speaker_label = f"{i + 1}/{label}" if many else label
                    yield Span(first + start, first + end, speaker_label=speaker_label)


def plugin_of(model: str, *, exclusive: bool = False, device: str = "auto") -> SegmenterPlugin:
    """The segmenter with the pipeline that a setting names, on a device. Raises UnknownModel."""
    weights = checkpoint(model)
    spec = SegmenterSpec(
        name="pyannote",
        revision=f"{weights.identity}-{'exclusive' if exclusive else 'overlapping'}-1",
        needs_audio=True,
        description="One segment for each turn of a speaker, labelled, by pyannote.audio's diarization.",
    )
    return SegmenterPlugin(spec, partial(_build, spec, weights, device, exclusive=exclusive), ("pyannote.audio",))


def __getattr__(name: str) -> SegmenterPlugin:
    """`plugin`, when the registry asks for it: which weights it has is a setting, and nothing is read at import."""
    if name != "plugin":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    settings = Settings().ingest
    return plugin_of(settings.pyannote_model, exclusive=settings.pyannote_exclusive, device=settings.device)


def _build(spec: SegmenterSpec, weights: Checkpoint, device: str, *, exclusive: bool) -> Segmenter:
    from services.ingest.segmenters.pyannote_pipeline import PyannotePipeline

    return PyannoteSegmenter(spec, PyannotePipeline(weights, device, exclusive=exclusive))
