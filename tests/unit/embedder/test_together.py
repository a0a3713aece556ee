"""Encoders that are layers of one model share its pass."""

import numpy as np
import pytest

from services.embedder.defining import UnknownLayer, output_of
from services.embedder.defining import spec_of as space_of
from services.embedder.encoders.spectral import SpectralEncoder
from services.embedder.layered import LayerEncoder
from services.embedder.models import ModelCache, ModelKey
from services.embedder.together import Row, embed_inputs
from shared.encoders.choices import UnknownFrameType, UnknownPooling, UnknownWindow
from shared.encoders.families import Card
from shared.storage.definitions import Definition
from tests.unit.embedder.counted_model import CountedModel, spec_of


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    return [rng.normal(0, 0.1, n).astype(np.float32) for n in (400, 30, 900)]


def test_layers_of_one_model_share_a_pass(clips):
    model, other = CountedModel(), CountedModel()
    encoders = {f"l{n}": LayerEncoder(spec_of(f"l{n}", n), model) for n in (1, 2, 3)}
    encoders |= {"other": LayerEncoder(spec_of("other", 1), other), "spectral": SpectralEncoder()}

    made = embed_inputs(encoders, clips, batch_audio_s=60.0)

    assert (model.n_passes, other.n_passes) == (1, 1)
    for name, encoder in encoders.items():
        alone = np.concatenate([encoder.embed([clip]) for clip in clips])
        np.testing.assert_allclose(np.stack([row.vector for row in made[name]]), alone, atol=1e-6)


def test_an_unusable_clip_costs_nobody_elses_row(clips):
    silence = np.zeros(100, np.float32)
    made = embed_inputs({"a": LayerEncoder(spec_of("a", 1), CountedModel())}, [clips[0], silence, clips[1]], 60.0)
    assert made["a"][1] == "no_voice"
    assert isinstance(made["a"][0], Row)
    assert isinstance(made["a"][2], Row)


def test_frames_come_with_the_outputs_that_keep_them(clips):
    model = CountedModel()
    encoders = {
        "pooled": LayerEncoder(spec_of("pooled", 1), model),
        "kept": LayerEncoder(spec_of("kept", 1, "none", "float16"), model),
    }
    made = embed_inputs(encoders, clips, 60.0)
    assert [row.frames.shape for row in made["kept"]] == [(40, 2), (3, 2), (90, 2)]
    assert all(row.frames is None for row in made["pooled"])


def test_a_vector_without_direction_is_a_reason_of_its_own_input():
    class Nothing(CountedModel):
        def _frames(self, clip, layer):
            return super()._frames(clip, layer) * (0 if len(clip) == 30 else 1)

    clips = [np.ones(n, np.float32) * np.linspace(-1, 1, n, dtype=np.float32) for n in (30, 50)]
    made = embed_inputs({"a": LayerEncoder(spec_of("a", 1), Nothing())}, clips, 60.0)
    assert made["a"][0] == "zero_vector"
    assert isinstance(made["a"][1], Row)


def test_the_least_recently_used_model_goes_first():
    cache, loaded = ModelCache(250), []

    def get(name):
        def load():
            loaded.append(name)
            return CountedModel()

        return cache.get(ModelKey("family", name, "1"), load)

    for name in ("a", "b", "a", "c", "a", "b"):
        get(name)
    assert loaded == ["a", "b", "c", "b"]
    assert cache.size_bytes <= 250


def test_a_model_beyond_the_budget_is_kept_alone():
    cache = ModelCache(10)
    first = cache.get(ModelKey("f", "a", "1"), CountedModel)
    assert cache.get(ModelKey("f", "a", "1"), CountedModel) is first
    assert cache.get(ModelKey("f", "b", "1"), CountedModel) is not first
    assert cache.size_bytes == 100


CARD = Card("abc", "audio", 16_000, {"cnn": 4, "encoder.1": 8}, "encoder.1", windows=("padded", "trimmed"))


def test_the_checkpoint_chooses_what_nobody_named():
    spec = space_of(Definition("mine", "whisper", "/model"), CARD)
    assert (spec.layer, spec.pooling, spec.window, spec.dimension, spec.frames) == (
        "encoder.1",
        "mean",
        "padded",
        8,
        None,
    )
    assert output_of(spec).layer == "encoder.1"


def test_statistics_are_twice_as_wide_and_frames_are_kept_with_pooling_none():
    assert space_of(Definition("mine", "f", "m", "cnn", "stats"), CARD).dimension == 8
    assert space_of(Definition("mine", "f", "m", "cnn", "none"), CARD).frames == "float32"
    assert space_of(Definition("mine", "f", "m", "cnn", "none", frames="float16"), CARD).frames == "float16"


def test_each_window_is_a_space_of_its_own():
    padded, trimmed = (space_of(Definition("m", "f", "m", window=window), CARD) for window in ("padded", "trimmed"))
    assert padded.space != trimmed.space


@pytest.mark.parametrize(
    ("error", "names", "known"),
    [
        (UnknownLayer, {"layer": "encoder.9"}, "cnn, encoder.1"),
        (UnknownPooling, {"pooling": "median"}, "mean, max, first, last, stats, none"),
        (UnknownWindow, {"window": "round"}, "padded, trimmed"),
        (UnknownFrameType, {"pooling": "none", "frames": "int8"}, "float16 or float32"),
        (UnknownFrameType, {"frames": "float16"}, "pooling 'none'"),
    ],
)
def test_an_error_lists_what_there_is(error, names, known):
    with pytest.raises(error, match=known):
        space_of(Definition("mine", "f", "m", **names), CARD)
