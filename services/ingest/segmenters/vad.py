"""Segments where someone speaks, by Silero's voice activity model."""

from typing import TYPE_CHECKING, Final

from services.ingest.segmenters.protocol import AudioReader, SegmenterPlugin, SegmenterSpec, Span
from services.ingest.segmenters.speech import SpeechRules, spans_from_probabilities

if TYPE_CHECKING:
    from services.ingest.segmenters.silero import SileroModel

SPEC: Final = SegmenterSpec(
    name="vad",
    revision="silero-6.2.3-1",
    needs_audio=True,
    description="One segment for each stretch of speech, up to 30 s, found by Silero's voice activity model.",
)


class VadSegmenter:
    """Speech spans of a recording; memory grows by four bytes for each 32 ms."""

    spec = SPEC

    def __init__(self, model: "SileroModel", rules: SpeechRules) -> None:
        self._model = model
        self._rules = rules

    def segments(self, audio: AudioReader) -> list[Span]:
        """Where someone speaks; nothing in digital silence, which the model is not asked about."""
        if audio.peak == 0:
            return []
        return spans_from_probabilities(self._model.probabilities(audio), audio.n_samples, self._rules)


def _build() -> VadSegmenter:
    from services.ingest.segmenters.silero import SileroModel

    return VadSegmenter(SileroModel(), SpeechRules())


plugin: Final = SegmenterPlugin(SPEC, _build)
