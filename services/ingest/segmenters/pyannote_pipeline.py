"""A diarization pipeline of pyannote.audio, loaded and run by its own code."""

import os
import warnings
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from services.ingest.segmenters.protocol import Hints
from shared.checkpoints import Checkpoint, MissingModel, library
from shared.units import SAMPLE_RATE_HZ


class PyannotePipeline:
    """A folder with a `config.yaml`, or a repository of the hub; HF_TOKEN opens gated ones.

    The config names Python classes and its models are unpickled, which can run any code: load only what you trust. A
    config that names further repositories (as speaker-diarization-3.1 does) downloads what they hold now, whatever the
    revision says; community-1 holds all of its own. Runs on one thread of a CPU.

    Raises MissingLibrary, MissingModel.
    """

    def __init__(self, weights: Checkpoint, device: str = "auto", *, exclusive: bool) -> None:
        os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")  # it reports each use to its makers otherwise
        folder = weights.fetched()
        with library("pyannote"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "\\s*torchcodec is not installed correctly")  # it is given samples
            from pyannote.audio import Pipeline
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cpu":
            torch.set_num_threads(1)  # one process a core
        try:
            pipeline = Pipeline.from_pretrained(folder, token=os.environ.get("HF_TOKEN"))
        except OSError as error:
            raise MissingModel(f"{folder}: {error}") from error
        if pipeline is None:
            raise MissingModel(f"{folder} names a model that cannot be had.")
        self._pipeline: Any = pipeline.to(torch.device(device))
        self._exclusive = exclusive

    def turns(self, samples: Float32[np.ndarray, " samples"], hints: Hints) -> list[tuple[float, float, str]]:
        """Start and end in seconds, and the label, of each turn of samples at 16 kHz."""
        file = {"waveform": torch.from_numpy(samples)[np.newaxis], "sample_rate": SAMPLE_RATE_HZ, "uri": "recording"}
        found: Any = self._pipeline(file, min_speakers=hints.min_speakers, max_speakers=hints.max_speakers)
        turns = found.exclusive_speaker_diarization if self._exclusive else found.speaker_diarization
        return [(turn.start, turn.end, str(label)) for turn, _, label in turns.itertracks(yield_label=True)]
