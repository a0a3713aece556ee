"""The whole recording as one segment: for files that are cut already, as words and utterances are."""

from typing import Final

from services.ingest.segmenters.protocol import NO_HINTS, AudioReader, Hints, SegmenterPlugin, SegmenterSpec, Span

SPEC: Final = SegmenterSpec(
    name="whole",
    revision="1",
    needs_audio=False,
    description="One segment from start to end, unless the recording is digital silence.",
)


class WholeSegmenter:
    """One span however short the recording; none if every sample is zero."""

    spec = SPEC

    def segments(self, audio: AudioReader, hints: Hints = NO_HINTS) -> list[Span]:  # noqa: ARG002  # it asks for no voice
        """One span, or none."""
        return [Span(0, audio.n_samples)] if audio.n_samples > 0 and audio.peak > 0 else []


plugin: Final = SegmenterPlugin(SPEC, WholeSegmenter)
