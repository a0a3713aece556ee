"""wav2vec 2.0 and its kin: real architectures, small, through transformers' own loader; vectors are the library's."""

import shutil

import numpy as np
import pytest
import torch

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from services.embedder.families.wav2vec2 import family, min_samples
from shared.checkpoints import checkpoint
from shared.encoders.families import Output
from shared.encoders.protocol import EncoderOptions
from tests.support import tiny_audio
from tests.support.refusals import assert_other_kinds_are_refused, assert_weights_are_missed

CPU = EncoderOptions(device="cpu", dtype="float32")
KINDS = {
    "base": {},
    "large": {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True},
    "hubert": {"kind": "Hubert", "feat_proj_layer_norm": False},
    "hubert-batch-norm": {"kind": "Hubert", "conv_pos_batch_norm": True},
    "wavlm": {"kind": "WavLM"},
    "wavlm-large": {"kind": "WavLM", "feat_extract_norm": "layer", "do_stable_layer_norm": True},
    "data2vec": {"kind": "Data2VecAudio", "conv_pos_kernel_size": 5},
    "unispeech": {"kind": "UniSpeech"},
    "unispeech-sat": {"kind": "UniSpeechSat", "feat_extract_norm": "layer", "do_stable_layer_norm": True},
}


@pytest.fixture(scope="module")
def folders(models):
    return {name: tiny_audio.wav2vec2(models / name, **settings) for name, settings in KINDS.items()}


@pytest.fixture(scope="module")
def clips(bridge):
    return tiny_audio.spoken(bridge)


@pytest.fixture(params=KINDS, scope="module")
def folder(request, folders):
    return folders[request.param]


@pytest.fixture(scope="module")
def loaded(folder):
    return family.load(checkpoint(str(folder)), CPU)


@pytest.fixture(scope="module")
def layers(folder):
    return family.card(checkpoint(str(folder))).layers


def by_the_library(folder, clip):
    """Frames of every layer of one clip."""
    library = tiny_audio.transformers()
    network = library.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    extractor = library.AutoFeatureExtractor.from_pretrained(folder)
    values = extractor(clip, sampling_rate=16_000, return_tensors="pt")["input_values"]
    with torch.inference_mode():
        found = network(values, output_hidden_states=True)
        convolved = network.feature_extractor(values).transpose(1, 2)
        projection = network.feature_projection
        normed = getattr(projection, "layer_norm", torch.nn.Identity())(convolved)
        projected = projection(convolved)
    blocks = {f"encoder.{n}": frames for n, frames in enumerate(found.hidden_states)}
    projected = projected[0] if isinstance(projected, tuple) else projected
    frames = {"cnn": normed, "projection": projected, **blocks, "encoder": found.last_hidden_state}
    if getattr(found, "extract_features", None) is not None:
        torch.testing.assert_close(frames["cnn"], found.extract_features)
    return {layer: one[0].detach().numpy() for layer, one in frames.items()}


def test_every_layer_and_pooling_equals_the_librarys_own(folder, loaded, layers, clips):
    outputs = tiny_audio.every_output(layers)
    found = loaded.embed(clips, outputs)
    for row, clip in enumerate(clips):
        expected = by_the_library(folder, clip)
        assert list(expected) == list(layers)
        for output, pooled in zip(outputs, found, strict=True):
            vector = tiny_audio.pooled_by_numpy(expected[output.layer], output.pooling)
            tiny_audio.assert_near(pooled.vectors[row], vector, f"{output} of clip {row}")
            if output.keeps_frames:
                tiny_audio.assert_near(pooled.frames[row], expected[output.layer])


def test_a_clip_has_the_vectors_that_it_has_alone_in_any_company(loaded, layers, clips):
    tiny_audio.assert_company_does_not_matter(loaded, clips, tiny_audio.every_output(layers))


def test_dimensions_are_as_the_card_says(loaded, layers, clips):
    found = loaded.embed(clips[:1], [Output(layer, "mean") for layer in layers])
    assert [pooled.vectors.shape[1] for pooled in found] == list(layers.values())


def test_one_pass_serves_every_layer_and_stops_after_the_deepest(folders, clips):
    loaded = family.load(checkpoint(str(folders["base"])), CPU)
    calls = {"convolutions": 0, "first": 0, "last": 0}

    def count(name):
        def hook(*_):
            calls[name] += 1

        return hook

    network = loaded._network
    network.feature_extractor.register_forward_hook(count("convolutions"))
    network.encoder.layers[0].register_forward_hook(count("first"))
    network.encoder.layers[-1].register_forward_hook(count("last"))
    loaded.embed(clips[:5], tiny_audio.every_output(["cnn", "projection", "encoder.1", "encoder.2"]))
    assert calls == {"convolutions": 1, "first": 1, "last": 0}


def test_one_sample_is_repeated_up_to_a_frame(folders):
    loaded = family.load(checkpoint(str(folders["base"])), CPU)
    one, repeated = np.full(1, 0.3, np.float32), np.full(400, 0.3, np.float32)
    outputs = [Output("encoder", "mean"), Output("encoder", "none")]
    found = loaded.embed([one], outputs)
    np.testing.assert_array_equal(found[0].vectors, loaded.embed([repeated], outputs)[0].vectors)
    assert found[1].frames[0].shape == (1, 32)


def test_the_published_convolutions_need_25_ms():
    assert min_samples({"conv_kernel": [10, 3, 3, 3, 3, 2, 2], "conv_stride": [5, 2, 2, 2, 2, 2, 2]}) == 400


def test_weights_under_the_names_of_older_files_are_read(folders, tmp_path, clips):
    from safetensors.torch import load_file

    shutil.copytree(folders["base"], tmp_path / "old")
    state = load_file(tmp_path / "old" / "model.safetensors")
    (tmp_path / "old" / "model.safetensors").unlink()
    names = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    for new, old in names.items():
        state = {name.replace(new, old): tensor for name, tensor in state.items()}
    state["lm_head.bias"] = torch.zeros(4)  # heads are left
    state = {name if name.startswith("lm_head") else f"wav2vec2.{name}": tensor for name, tensor in state.items()}
    torch.save(state, tmp_path / "old/pytorch_model.bin")
    old, new = (family.load(checkpoint(str(folder)), CPU) for folder in (tmp_path / "old", folders["base"]))
    outputs = [Output("encoder", "mean")]
    np.testing.assert_array_equal(old.embed(clips, outputs)[0].vectors, new.embed(clips, outputs)[0].vectors)


def test_bfloat16_is_near_single_precision(folders, clips):
    exact = family.load(checkpoint(str(folders["large"])), CPU)
    rough = family.load(checkpoint(str(folders["large"])), EncoderOptions(device="cpu", dtype="bfloat16"))
    assert rough.made_with["dtype"] == "bfloat16"
    a, b = (one.embed(clips, [Output("encoder", "mean")])[0].vectors for one in (exact, rough))
    assert b.dtype == np.float32
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosines.min() > 0.99


class TestWhatIsRefused:
    def test_another_architecture(self, folders, tmp_path):
        message = "holds a wav2vec2-conformer, not a wav2vec2 or hubert"
        assert_other_kinds_are_refused(family, folders["base"], tmp_path, message, "wav2vec2-conformer")

    def test_adapters(self, models):
        folder = tiny_audio.wav2vec2(models / "adapters", add_adapter=True)
        with pytest.raises(UnreadableCheckpoint, match="adapters"):
            family.card(checkpoint(str(folder)))

    def test_a_folder_without_weights(self, folders, tmp_path):
        assert_weights_are_missed(family, folders["base"], tmp_path)

    def test_a_folder_that_does_not_say_how_inputs_are_made(self, folders, tmp_path):
        shutil.copytree(folders["base"], tmp_path / "bare")
        (tmp_path / "bare/preprocessor_config.json").unlink()
        with pytest.raises(UnreadableCheckpoint, match="preprocessor_config"):
            family.card(checkpoint(str(tmp_path / "bare")))

    def test_weights_that_are_not_all_there(self, folders, tmp_path):
        from safetensors.torch import load_file, save_file

        shutil.copytree(folders["base"], tmp_path / "partial")
        path = tmp_path / "partial/model.safetensors"
        state = load_file(path)
        del state["encoder.layers.1.attention.k_proj.weight"]
        save_file(state, path, {"format": "pt"})
        with pytest.raises(UnreadableCheckpoint, match=r"lacks 1 weights, encoder.layers.1.attention.k_proj.weight"):
            family.load(checkpoint(str(tmp_path / "partial")), CPU)


def test_many_passes_need_no_more_memory_than_one(folders, clips, capsys):
    loaded = family.load(checkpoint(str(folders["base"])), CPU)
    tiny_audio.check_memory(loaded, clips[1], Output("encoder", "mean"), capsys)
