"""Whisper in OpenAI's own library: one window of audio in, utterances with word times out."""

from typing import Any
from urllib.error import URLError

import numpy as np
import torch
from jaxtyping import Float32

from services.ingest.segmenters.whisper_words import Heard, HeardWord
from shared.checkpoints import MissingModel, library


class OpenAiWhisper:
    """A model by the name that OpenAI publishes it under, or of a file in its form, which is not unpickled.

    Published ones are downloaded once, to ~/.cache/whisper, and checked by hash. Runs on one thread of a CPU.
    Raises MissingLibrary, MissingModel.
    """

    def __init__(self, name_or_path: str, device: str = "auto") -> None:
        with library("whisper"):
            import whisper
        self._whisper = whisper
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cpu":
            torch.set_num_threads(1)  # one process a core
        try:
            self._model = whisper.load_model(name_or_path, device=device)
        except URLError as error:
            away = f"the weights of Whisper {name_or_path} are not here and could not be fetched: {error.reason}."
            raise MissingModel(away) from error
        except (OSError, RuntimeError) as error:
            raise MissingModel(f"Whisper {name_or_path}: {error}") from error

    def language(self, samples: Float32[np.ndarray, " samples"]) -> str:
        """The likeliest language of up to 30 s; English of a model that knows no other."""
        if not self._model.is_multilingual:
            return "en"
        mel = self._whisper.log_mel_spectrogram(self._whisper.pad_or_trim(samples), self._model.dims.n_mels)
        _, probabilities = self._model.detect_language(mel.to(self._model.device))
        return str(max(probabilities, key=probabilities.get))

    def transcribe(self, samples: Float32[np.ndarray, " samples"], language: str) -> list[Heard]:
        """Utterances of up to 30 s. Where the best guess repeats itself or is unlikely, others are drawn by chance:
        always the same ones.
        """
        devices = [self._model.device] if self._model.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(0)
            result: dict[str, Any] = self._model.transcribe(
                samples,
                language=language,
                word_timestamps=True,
                condition_on_previous_text=False,  # windows know nothing of each other, nor of each other's errors
                fp16=self._model.device.type == "cuda",
            )
        return [_heard(segment["words"]) for segment in result["segments"]]


def _heard(words: list[dict[str, Any]]) -> Heard:
    return tuple(HeardWord(float(word["start"]), float(word["end"]), str(word["word"])) for word in words)
