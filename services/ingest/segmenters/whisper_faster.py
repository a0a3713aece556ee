"""Whisper in CTranslate2, by faster-whisper: one window of audio in, utterances with word times out."""

import numpy as np
from jaxtyping import Float32

from services.ingest.segmenters.whisper_words import Heard, HeardWord
from shared.checkpoints import Checkpoint, library


class FasterWhisper:
    """A folder in CTranslate2's form, or a repository of the hub that is one. Runs on one thread of a CPU.

    Raises MissingLibrary, MissingModel.
    """

    def __init__(self, weights: Checkpoint, device: str = "auto") -> None:
        folder = weights.fetched()
        with library("faster-whisper"):
            import ctranslate2
            from faster_whisper import WhisperModel
        self._seed = ctranslate2.set_random_seed
        kind, _, index = device.partition(":")
        self._model = WhisperModel(str(folder), device=kind, device_index=int(index or 0), cpu_threads=1)

    def language(self, samples: Float32[np.ndarray, " samples"]) -> str:
        """The likeliest language of up to 30 s; English of a model that knows no other."""
        if not self._model.model.is_multilingual:
            return "en"
        language, _, _ = self._model.detect_language(samples)
        return str(language)

    def transcribe(self, samples: Float32[np.ndarray, " samples"], language: str) -> list[Heard]:
        """Utterances of up to 30 s. Where the best guess repeats itself or is unlikely, others are drawn by chance:
        always the same ones.
        """
        self._seed(0)
        segments, _ = self._model.transcribe(
            samples,
            language=language,
            beam_size=1,  # as openai-whisper
            word_timestamps=True,
            condition_on_previous_text=False,
        )
        return [
            tuple(HeardWord(word.start, word.end, word.word) for word in segment.words or ()) for segment in segments
        ]
