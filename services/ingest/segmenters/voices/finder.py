"""Who speaks when: regions of speech become turns of a recording's voices."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np
from jaxtyping import Float32, Int

from services.ingest.segmenters.protocol import NO_HINTS, AudioReader, Hints, Span
from services.ingest.segmenters.voices.clustering import centroids_of
from services.ingest.segmenters.voices.embedding import embedded
from services.ingest.segmenters.voices.paths import likeliest_path
from services.ingest.segmenters.voices.windows import Windows, windows_in
from shared.encoders import registry
from shared.encoders.protocol import Encoder, EncoderOptions

CutText = Callable[[Span, Sequence[Span]], list[Span]]
"""Divides a span with text, given the turns that it consists of, of which there are two or more."""

_SWITCH_COST: Final = 0.05
"""Cosine that another voice must gain before it takes over within a region. From 0 to 0.1 it makes no difference."""


class TurnFinder:
    """Tells the voices of one recording apart by how alike windows of 1.6 s are to an encoder.

    How many there are follows from the recording: its own likeness within turns is the yardstick, and the encoder's
    threshold for naming a voice is the only number from outside. Overlapping speech is not marked: a window of 1.6 s
    that holds two voices looks like one that a border runs through (precision 0.2 to 0.7 on our mixes).
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def turns(self, audio: AudioReader, regions: Sequence[Span], hints: Hints = NO_HINTS) -> list[Span]:
        """The regions, cut where the voice changes; `speaker_label` is SPEAKER_00, ... in order of appearance.

        Regions are sorted and disjoint. Their text is not carried on: it belongs to the whole of a region.
        """
        return [turn for parts in self._parts(audio, regions, hints) for turn in parts]

    def _parts(self, audio: AudioReader, regions: Sequence[Span], hints: Hints) -> list[list[Span]]:
        """The turns of each region."""
        windows = windows_in(regions)
        if len(windows) == 0:
            return []
        vectors = embedded(self._encoder.embed, audio, windows)
        centroids = centroids_of(vectors, windows, self._encoder.spec, hints)
        voices = _by_appearance(_assigned(vectors, windows, centroids))
        parts = windows.of_each_region()
        return [_turns(region, windows, voices, part) for region, part in zip(regions, parts, strict=True)]

    def split_at_turns(
        self, audio: AudioReader, spans: Sequence[Span], hints: Hints = NO_HINTS, cut_text: CutText | None = None
    ) -> list[Span]:
        """Spans of another segmenter, each with its speaker's label, those of two speakers cut where the turn ends.

        A span with text is left whole and gets the label of who speaks longest in it, unless `cut_text` divides it, for
        instance between two words whose times are known. Spans are sorted and disjoint.
        """
        labelled: list[Span] = []
        for span, turns in zip(spans, self._parts(audio, spans, hints), strict=True):
            if len(turns) > 1 and span.text is not None:
                labelled += [_whole(span, turns)] if cut_text is None else cut_text(span, turns)
            else:
                labelled += [replace(turn, text=span.text) for turn in turns]
        return labelled


def build_turn_finder() -> TurnFinder:
    """Load the encoder `ge2e`. Raises UnknownEncoder, and what the loading of its weights raises.

    It runs on the CPU wherever it is: ingest leaves the GPU to the embedders, and the same audio gives the same turns.
    """
    return TurnFinder(registry.build("ge2e", EncoderOptions(device="cpu")))


def _whole(span: Span, turns: Sequence[Span]) -> Span:
    spoken: dict[str | None, int] = {}
    for turn in turns:
        spoken[turn.speaker_label] = spoken.get(turn.speaker_label, 0) + turn.end_sample - turn.start_sample
    return replace(span, speaker_label=max(spoken, key=lambda label: spoken[label]))


def _assigned(
    vectors: Float32[np.ndarray, "windows dim"], windows: Windows, centroids: Float32[np.ndarray, "voices dim"]
) -> Int[np.ndarray, " windows"]:
    """The voice of each window."""
    scores = vectors @ centroids.T  # (windows, voices)
    return np.concatenate([likeliest_path(scores[part], _SWITCH_COST) for part in windows.of_each_region()])


def _by_appearance(voices: Int[np.ndarray, " windows"]) -> Int[np.ndarray, " windows"]:
    """The same voices, numbered in the order in which they are first heard."""
    _, first, voices = np.unique(voices, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return rank[voices]


def _turns(region: Span, windows: Windows, voices: Int[np.ndarray, " windows"], part: slice) -> list[Span]:
    """Cut half-way between the middles of the windows where the voice changes."""
    middles = (windows.start_sample[part] + windows.end_sample[part]) // 2
    heard = voices[part]
    changes = np.flatnonzero(np.diff(heard))
    cuts = [region.start_sample, *((middles[changes] + middles[changes + 1]) // 2).tolist(), region.end_sample]
    speakers = heard[[0, *(changes + 1).tolist()]].tolist()
    return [
        Span(start, end, speaker_label=f"SPEAKER_{speaker:02d}")
        for (start, end), speaker in zip(pairwise(cuts), speakers, strict=True)
    ]
