"""Segments at transcription boundaries, with text and words, by Whisper; its libraries load when it is built."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from jaxtyping import Float32

from services.ingest.segmenters.protocol import NO_HINTS, AudioReader, Hints, SegmenterPlugin, SegmenterSpec, Span
from services.ingest.segmenters.whisper_words import Heard, cut_at_words, spoken, utterance, windows
from shared.checkpoints import Checkpoint, LocalCheckpoint, MissingModel, UnknownModel, checkpoint, is_file
from shared.settings import Settings

if TYPE_CHECKING:
    from services.ingest.segmenters.voices.finder import CutText

_DISTRIBUTIONS: Final = {"openai": "openai-whisper", "faster": "faster-whisper"}
UNKNOWN: Final = "UNKNOWN"  # the label of everyone: a transcriber tells no voices apart

_ALIASES: Final = {"large": "large-v3", "turbo": "large-v3-turbo"}  # whose weights change under the name
_PUBLISHED: Final = frozenset(
    f"{size}{language}" for size in ("tiny", "base", "small", "medium") for language in ("", ".en")
) | {"large-v1", "large-v2", "large-v3", "large-v3-turbo"}
# Whisper wants speech with some air around it, and few windows: one of 30 s costs the same however little is said.
_PAUSE_S: Final = 0.5
_AIR_S: Final = 0.2

SpeechFinder = Callable[[AudioReader], Sequence[Span]]
"""Stretches of speech, none longer than 30 s; sorted and disjoint."""

TurnSplitter = Callable[[AudioReader, Sequence[Span], Hints, "CutText"], Sequence[Span]]
"""`TurnFinder.split_at_turns`: cuts spans of two speakers, by asking where to cut the text."""


class Transcriber(Protocol):
    """Whisper in some library. Deterministic: the same samples give the same words."""

    def language(self, samples: Float32[np.ndarray, " samples"]) -> str:
        """The language that is spoken most likely, as a code of two letters or so."""

    def transcribe(self, samples: Float32[np.ndarray, " samples"], language: str) -> list[Heard]:
        """What is heard in 30 s at most, utterance by utterance."""


class WhisperSegmenter:
    """Whisper's utterances where the voice detector hears speech, window by window: 30 s of audio at a time.

    What it hears outside of speech is left out, since it makes up text for silence. One language a recording, told by
    the window with the most speech.
    """

    def __init__(
        self, spec: SegmenterSpec, speech: SpeechFinder, transcriber: Transcriber, split_at_turns: TurnSplitter
    ) -> None:
        self.spec = spec
        self._speech = speech
        self._transcriber = transcriber
        self._split_at_turns = split_at_turns

    def segments(self, audio: AudioReader, hints: Hints = NO_HINTS) -> list[Span]:
        """One span for each utterance, cut between words where another speaker begins; none in digital silence."""
        found = windows(self._speech(audio)) if audio.peak > 0 else []
        if not found:
            return []
        fullest = max(found, key=lambda window: window.speech_samples)
        language = self._transcriber.language(audio.read(fullest.start_sample, fullest.end_sample))
        utterances: list[Span] = []
        for window in found:
            samples = audio.read(window.start_sample, window.end_sample)
            for heard in self._transcriber.transcribe(samples, language):
                if words := spoken(heard, window, utterances[-1].end_sample if utterances else 0):
                    utterances.append(utterance(words, UNKNOWN))
        return self._of_one_speaker_each(audio, utterances, hints)

    def _of_one_speaker_each(self, audio: AudioReader, utterances: Sequence[Span], hints: Hints) -> list[Span]:
        whole = {(span.start_sample, span.end_sample): span for span in utterances}
        parts = self._split_at_turns(audio, utterances, hints, cut_at_words) if utterances else ()
        # of what it leaves whole, the splitter keeps text but no words
        kept = [whole.get((part.start_sample, part.end_sample), part) for part in parts]
        return [replace(part, speaker_label=UNKNOWN) for part in kept]


def plugin_of(model: str, device: str = "auto") -> SegmenterPlugin:
    """The segmenter with the weights that a setting names, on a device. Raises UnknownModel.

    What OpenAI publishes under a name, and files in its form, run in openai-whisper; folders in CTranslate2's form and
    repositories of the hub that hold it (`Systran/faster-whisper-large-v3@COMMIT`), in faster-whisper.
    """
    name = _ALIASES.get(model, model)
    if name in _PUBLISHED:
        return _plugin("openai", name, partial(_openai, name, device))
    weights = checkpoint(model)
    if is_file(weights):
        return _plugin("openai", weights.identity, partial(_openai, str(weights.path), device))
    if isinstance(weights, LocalCheckpoint) and not (weights.path / "model.bin").is_file():
        raise UnknownModel(f"{weights.path} holds no model.bin of CTranslate2; ct2-transformers-converter makes one.")
    return _plugin("faster", weights.identity, partial(_faster, weights, device))


def __getattr__(name: str) -> SegmenterPlugin:
    """`plugin`, when the registry asks for it: which weights it has is a setting, and nothing is read at import."""
    if name != "plugin":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    settings = Settings().ingest
    return plugin_of(settings.whisper_model, settings.device)


def _plugin(engine: str, identity: str, load: Callable[[], Transcriber]) -> SegmenterPlugin:
    spec = SegmenterSpec(
        name="whisper",
        revision=f"{engine}-{identity}-1",
        needs_audio=True,
        description="One segment for each utterance that Whisper transcribes, with its text and words.",
    )
    return SegmenterPlugin(spec, partial(_build, spec, load), (_DISTRIBUTIONS[engine],))


def _build(spec: SegmenterSpec, load: Callable[[], Transcriber]) -> WhisperSegmenter:
    from services.ingest.segmenters.voices.finder import build_turn_finder

    try:
        transcriber = load()
    except MissingModel as error:
        raise MissingModel(f"What EARMARK_INGEST__WHISPER_MODEL names cannot be had: {error.detail}") from error
    return WhisperSegmenter(spec, _speech_finder(), transcriber, build_turn_finder().split_at_turns)


def _speech_finder() -> SpeechFinder:
    from services.ingest.segmenters.floor import adapted
    from services.ingest.segmenters.silero import SileroModel
    from services.ingest.segmenters.speech import spans_from_probabilities

    model = SileroModel()

    def speech(audio: AudioReader) -> list[Span]:
        curve, rules = adapted(model.probabilities(audio), audio.n_samples)
        rules = replace(rules, min_silence_s=_PAUSE_S, pad_s=_AIR_S)
        return spans_from_probabilities(curve, audio.n_samples, rules)

    return speech


def _openai(name_or_path: str, device: str) -> Transcriber:
    from services.ingest.segmenters.whisper_openai import OpenAiWhisper

    return OpenAiWhisper(name_or_path, device)


def _faster(weights: Checkpoint, device: str) -> Transcriber:
    from services.ingest.segmenters.whisper_faster import FasterWhisper

    return FasterWhisper(weights, device)
