"""Embedding models of pyannote.audio: the real architectures, untrained, through its own loader."""

import numpy as np
import pytest
import torch

from services.embedder.encoders import pyannote
from shared.encoders.protocol import EncoderOptions
from shared.vectors import unit_rows
from tests.support import checkpoints

CPU = EncoderOptions(device="cpu")
FEWEST_FOR_A_DEVIATION = 1_680  # nine frames of 25 ms, 10 ms apart, which strides leave two of


@pytest.fixture(scope="module")
def wespeaker(wespeaker_folder):
    return pyannote.plugin_of(str(wespeaker_folder)).build(CPU)


@pytest.fixture(scope="module")
def xvector_folder(models):
    return checkpoints.pyannote_xvector(models / "xvector", dimension=32)


def library_vectors(folder, clips):
    from pyannote.audio import Inference, Model

    inference = Inference(Model.from_pretrained(folder / "pytorch_model.bin"), window="whole")
    files = [{"waveform": torch.from_numpy(clip)[None], "sample_rate": 16_000} for clip in clips]
    return np.stack([inference(file) for file in files])


def noise(rng, n_samples):
    return rng.normal(0, 0.1, n_samples).astype(np.float32)


def test_vectors_equal_pyannotes_own(wespeaker, wespeaker_folder, rng):
    clips = [noise(rng, n) for n in (FEWEST_FOR_A_DEVIATION, 8_000, 16_000, 16_000, 47_123)]
    expected = unit_rows(library_vectors(wespeaker_folder, clips))
    np.testing.assert_allclose(wespeaker.embed(clips), expected, atol=1e-5)


@pytest.mark.parametrize("n_samples", [1, 399, 400, FEWEST_FOR_A_DEVIATION - 1])
def test_what_the_library_answers_with_nan_is_repeated(wespeaker, rng, n_samples):
    clip = noise(rng, n_samples)
    assert wespeaker.min_samples == FEWEST_FOR_A_DEVIATION
    again = np.tile(clip, FEWEST_FOR_A_DEVIATION)[:FEWEST_FOR_A_DEVIATION]
    np.testing.assert_array_equal(wespeaker.embed([clip]), wespeaker.embed([again]))


def test_another_architecture_has_its_own_dimension_and_minimum(xvector_folder, rng):
    encoder = pyannote.plugin_of(str(xvector_folder)).build(CPU)
    assert (encoder.spec.dimension, encoder.min_samples) == (32, 5_041)
    clips = [noise(rng, n) for n in (5_041, 30_000)]
    np.testing.assert_allclose(encoder.embed(clips), unit_rows(library_vectors(xvector_folder, clips)), atol=1e-5)


def test_the_models_file_alone_will_do(wespeaker_folder):
    spec = pyannote.plugin_of(str(wespeaker_folder / "pytorch_model.bin")).spec
    assert (spec.dimension, spec.revision.startswith("sha256-")) == (256, True)


def test_other_weights_are_another_space(wespeaker_folder, xvector_folder):
    assert len({pyannote.plugin_of(str(folder)).spec.space for folder in (wespeaker_folder, xvector_folder)}) == 2


def test_clips_of_any_lengths_in_one_pass_have_the_vectors_that_they_have_alone(wespeaker, wespeaker_folder, rng):
    clips = [noise(rng, n) for n in (FEWEST_FOR_A_DEVIATION, 1_841, 3_000, 15_999, 16_000, 16_400, 24_000)]
    assert sum(clip.size for clip in clips) < 160_000  # the least that a pass holds
    np.testing.assert_allclose(wespeaker.embed(clips), unit_rows(library_vectors(wespeaker_folder, clips)), atol=1e-5)


@pytest.fixture
def cramped(xvector_folder, monkeypatch):
    """An encoder on a device that has room for two clips, as Inference tells it: with a MemoryError."""
    from pyannote.audio import Inference

    widths = []
    infer = Inference.infer

    def refusing(self, chunks):
        widths.append(len(chunks))
        if len(chunks) > 2:
            raise MemoryError("batch_size is probably too large")
        return infer(self, chunks)

    monkeypatch.setattr(Inference, "infer", refusing)
    return pyannote.plugin_of(str(xvector_folder)).build(CPU), widths


def test_passes_are_halved_when_inference_runs_out_of_memory(cramped, xvector_folder, rng):
    encoder, widths = cramped
    clips = [noise(rng, 16_000) for _ in range(5)]
    widths.clear()
    vectors = encoder.embed(clips)
    assert widths == [5, 2, 2, 1]
    np.testing.assert_allclose(vectors, unit_rows(library_vectors(xvector_folder, clips)), atol=1e-5)
