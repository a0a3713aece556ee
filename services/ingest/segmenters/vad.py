"""Segments where someone speaks, one for each turn, by Silero's voice activity model and a speaker encoder."""

from typing import TYPE_CHECKING, Final

from services.ingest.segmenters.floor import adapted
from services.ingest.segmenters.protocol import NO_HINTS, AudioReader, Hints, SegmenterPlugin, SegmenterSpec, Span
from services.ingest.segmenters.speech import spans_from_probabilities
from services.ingest.segmenters.voices.finder import TurnFinder, build_turn_finder

if TYPE_CHECKING:
    from services.ingest.segmenters.silero import SileroModel

SPEC: Final = SegmenterSpec(
    name="vad",
    revision="silero-6.2.3-ge2e-2",
    needs_audio=True,
    description="One segment for each turn of one speaker, up to 30 s, with a label for the voice. Hears quiet speech.",
)


class VadSegmenter:
    """Turns of a recording; memory grows by 12 kB for each second of speech."""

    spec = SPEC

    def __init__(self, model: "SileroModel", finder: TurnFinder) -> None:
        self._model = model
        self._finder = finder

    def segments(self, audio: AudioReader, hints: Hints = NO_HINTS) -> list[Span]:
        """Who speaks when; nothing in digital silence, which the models are not asked about."""
        if audio.peak == 0:
            return []
        curve, rules = adapted(self._model.probabilities(audio), audio.n_samples)
        regions = spans_from_probabilities(curve, audio.n_samples, rules)
        return self._finder.turns(audio, regions, hints)


def _build() -> VadSegmenter:
    from services.ingest.segmenters.silero import SileroModel

    return VadSegmenter(SileroModel(), build_turn_finder())


plugin: Final = SegmenterPlugin(SPEC, _build)
