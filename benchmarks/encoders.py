"""Whisper's encoder: windows trimmed to 3 s segments against padded ones, and all layers in one pass against one each.

An untrained network of the size of `base` (6 blocks of 512), by transformers: weights do not matter to speed. One
thread, single precision. The peer of all layers is what scripts do: the library's feature extractor and its encoder
once a layer.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.report import Comparison
from services.embedder.families.whisper import family
from shared.checkpoints import LocalCheckpoint
from shared.encoders.families import Output
from shared.encoders.protocol import EncoderOptions
from shared.units import SAMPLE_RATE_HZ, samples
from tests.support import torchaudio_stub
from tests.support.tiny_whisper import untrained_folder

N_BLOCKS, WIDTH = 6, 512
SEGMENT_S, N_SEGMENTS = 3.0, 4
N_RUNS = 5
OPTIONS = EncoderOptions(device="cpu", dtype="float32")  # as the peer computes
LAYERS = [f"encoder.{n}" for n in range(1, N_BLOCKS)] + ["encoder"]


def run() -> Iterator[Comparison]:
    """Two comparisons: seconds for the same segments."""
    torchaudio_stub.install()
    rng = np.random.default_rng(0)
    segments = [rng.normal(0, 0.1, samples(SEGMENT_S)).astype(np.float32) for _ in range(N_SEGMENTS)]
    with tempfile.TemporaryDirectory() as name:
        folder = untrained_folder(Path(name), n_blocks=N_BLOCKS, width=WIDTH)
        yield _windows(folder, segments)
        yield _layers(folder, segments[0])


def _windows(folder: Path, segments: list[np.ndarray]) -> Comparison:
    model = family.load(LocalCheckpoint(folder), OPTIONS)
    took = {window: [] for window in ("trimmed", "padded")}
    for _ in range(N_RUNS):
        for window, times in took.items():
            times.append(_seconds(lambda window=window: model.embed(segments, [Output("encoder", "mean", window)])))
    name = f"whisper, trimmed windows, segments of {SEGMENT_S:g} s"
    return Comparison(name, "padded windows", f"s for {N_SEGMENTS} segments", took["trimmed"], took["padded"], 8)


def _layers(folder: Path, clip: np.ndarray) -> Comparison:
    import torch
    from transformers import WhisperFeatureExtractor, WhisperModel

    model = family.load(LocalCheckpoint(folder), OPTIONS)
    extractor, encoder = WhisperFeatureExtractor.from_pretrained(folder), WhisperModel.from_pretrained(folder).encoder
    outputs = [Output(layer, "mean", "padded") for layer in LAYERS]
    n_valid = -(-clip.size // 320)

    @torch.inference_mode()
    def of_library(layer: int) -> np.ndarray:
        features = extractor(clip, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")["input_features"]
        made = encoder(features, output_hidden_states=True)
        return made.hidden_states[layer][0, :n_valid].mean(0).numpy()

    encoder.eval()
    ours, theirs = [], []
    for _ in range(N_RUNS):
        ours.append(_seconds(lambda: model.embed([clip], outputs)))
        theirs.append(_seconds(lambda: [of_library(layer) for layer in range(1, N_BLOCKS + 1)]))
    for layer, pooled in enumerate(model.embed([clip], outputs), start=1):
        np.testing.assert_allclose(pooled.vectors[0], of_library(layer), atol=1e-4)
    name = f"whisper, {N_BLOCKS} layers in one pass, same vectors"
    return Comparison(name, "transformers once a layer", "s a window", ours, theirs, 0.8 * N_BLOCKS)


def _seconds(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began
