"""What every registered encoder promises. A new one joins by its entry point alone."""

import re
import subprocess
import sys

import numpy as np
import pytest

from shared.encoders import registry
from shared.encoders.protocol import EncoderOptions
from tests.support import checkpoints

TOLERANCE = 1e-5
HEAVY = ("torch", "librosa", "resemblyzer", "transformers", "speechbrain", "pyannote.audio", "huggingface_hub")


@pytest.fixture(scope="module")
def small_models(tmp_path_factory):
    """Encoders whose weights are a setting get small ones of the same architecture: there is no hub in a test."""
    with checkpoints.small_models(tmp_path_factory.mktemp("models")):
        yield


@pytest.fixture(scope="module", params=sorted(registry.specs()))
def encoder(request, small_models):
    return registry.build(request.param, EncoderOptions(device="cpu", cpu_threads=1))


@pytest.fixture(scope="module")
def clips(encoder):
    """Speech-like noise of many lengths and levels: coloured, so that encoders have something to tell apart."""
    rng = np.random.default_rng(7)
    rate_hz = encoder.spec.sample_rate_hz
    durations_s = (0.02, 0.3, 1.0, 1.0, 1.59, 1.6, 2.7, 6.3)
    white = [rng.normal(0, 10 ** rng.uniform(-3, -1), round(d * rate_hz)) for d in durations_s]
    return [np.convolve(clip, rng.normal(size=16), mode="same").astype(np.float32) for clip in white]


def test_reading_the_specs_loads_no_model_library():
    script = (
        "import sys; from shared.encoders import registry; registry.specs();"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert printed.strip() == "[]"


@pytest.mark.parametrize("name", sorted(registry.specs()))
def test_a_spec_names_one_space(name):
    spec = registry.spec(name)
    assert spec.name == name
    assert hash(spec) == hash(registry.spec(name))
    assert re.fullmatch(r"[a-z][a-z0-9_]*", spec.space)
    assert len({one.space for one in registry.specs().values()}) == len(registry.specs())
    assert -1 < spec.assign_threshold < 1
    assert spec.min_duration_s > 0


def test_each_clip_gets_a_unit_row_of_the_promised_dimension(encoder, clips):
    rows = encoder.embed(clips)
    assert rows.shape == (len(clips), encoder.spec.dimension)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=TOLERANCE)


def test_no_clips_give_no_rows(encoder):
    assert encoder.embed([]).shape == (0, encoder.spec.dimension)


def test_embedding_again_gives_the_same(encoder, clips):
    np.testing.assert_array_equal(encoder.embed(clips), encoder.embed(clips))


def test_embedding_a_shuffled_batch_equals_shuffling_the_embeddings(encoder, clips):
    order = np.random.default_rng(1).permutation(len(clips))
    np.testing.assert_allclose(encoder.embed([clips[i] for i in order]), encoder.embed(clips)[order], atol=TOLERANCE)


def test_a_clips_vector_does_not_depend_on_its_batch_mates(encoder, clips):
    alone = np.concatenate([encoder.embed([clip]) for clip in clips])
    np.testing.assert_allclose(encoder.embed(clips), alone, atol=TOLERANCE)


def test_the_clips_are_left_as_they_were(encoder, clips):
    before = [clip.copy() for clip in clips]
    for clip in clips:
        clip.setflags(write=False)
    encoder.embed(clips)
    assert all(np.array_equal(now, then) for now, then in zip(clips, before, strict=True))


@pytest.mark.parametrize("n_samples", [1, 2, 320])
def test_the_shortest_clips_have_a_vector(encoder, n_samples):
    clip = np.linspace(0.1, -0.2, n_samples, dtype=np.float32)
    np.testing.assert_allclose(np.linalg.norm(encoder.embed([clip]), axis=1), 1, atol=TOLERANCE)


def test_a_minute_long_clip_has_one_vector(encoder):
    clip = np.random.default_rng(2).normal(0, 0.1, 60 * encoder.spec.sample_rate_hz).astype(np.float32)
    np.testing.assert_allclose(np.linalg.norm(encoder.embed([clip]), axis=1), 1, atol=TOLERANCE)


def test_different_sounds_have_different_vectors(encoder, clips):
    rows = encoder.embed(clips[-4:])
    assert np.triu(rows @ rows.T, 1).max() < 1 - 1e-4
