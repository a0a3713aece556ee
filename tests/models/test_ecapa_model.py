"""ECAPA-TDNN of speechbrain: the real architecture, small, through speechbrain's own loader."""

import numpy as np
import pytest
import torch

from services.embedder.encoders import ecapa
from shared.encoders.protocol import EncoderOptions
from shared.vectors import unit_rows
from tests.support import checkpoints

CPU = EncoderOptions(device="cpu")


@pytest.fixture(scope="module")
def encoder(ecapa_folder):
    return ecapa.plugin_of(str(ecapa_folder)).build(CPU)


@pytest.fixture(scope="module")
def classifier(ecapa_folder):
    from speechbrain.inference.speaker import EncoderClassifier

    return EncoderClassifier.from_hparams(source=str(ecapa_folder), overrides={"pretrained_path": str(ecapa_folder)})


def noise(rng, n_samples):
    return rng.normal(0, 0.1, n_samples).astype(np.float32)


def test_vectors_equal_speechbrains_own(encoder, classifier, rng):
    clips = [noise(rng, n) for n in (640, 8_000, 16_000, 16_000, 47_123)]
    expected = np.concatenate([classifier.encode_batch(torch.from_numpy(clip))[:, 0].numpy() for clip in clips])
    np.testing.assert_allclose(encoder.embed(clips), unit_rows(expected), atol=1e-5)


def test_clips_of_any_lengths_in_one_pass_have_the_vectors_that_they_have_alone(encoder, classifier, rng):
    clips = [noise(rng, n) for n in (640, 641, 799, 800, 3_000, 15_999, 16_000, 16_160, 24_000)]
    assert sum(clip.size for clip in clips) < 160_000  # the least that a pass holds
    expected = np.concatenate([classifier.encode_batch(torch.from_numpy(clip))[:, 0].numpy() for clip in clips])
    np.testing.assert_allclose(encoder.embed(clips), unit_rows(expected), atol=1e-5)


def test_relative_lengths_would_not_do(classifier, rng):
    short, long = noise(rng, 16_000), noise(rng, 24_000)
    padded = torch.from_numpy(np.stack([np.pad(short, (0, 8_000)), long]))
    beside = classifier.encode_batch(padded, torch.tensor([16_000 / 24_000, 1.0]))[0].numpy()
    alone = classifier.encode_batch(torch.from_numpy(short))[0].numpy()
    assert np.abs(unit_rows(beside) - unit_rows(alone)).max() > 1e-3


def test_less_than_five_frames_are_repeated(encoder, rng):
    clip = noise(rng, 300)
    assert encoder.min_samples == 640
    np.testing.assert_array_equal(encoder.embed([clip]), encoder.embed([np.tile(clip, 3)[:640]]))


def test_other_weights_are_another_space(ecapa_folder, tmp_path):
    other = checkpoints.ecapa(tmp_path / "other", seed=1)
    specs = [ecapa.plugin_of(str(folder)).spec for folder in (ecapa_folder, other)]
    assert specs[0].dimension == specs[1].dimension == checkpoints.ECAPA_DIMENSION
    assert specs[0].space != specs[1].space
