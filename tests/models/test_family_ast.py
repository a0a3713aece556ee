"""The Audio Spectrogram Transformer: the real one, small, by transformers' own loader; vectors are the library's."""

import shutil

import numpy as np
import pytest
import torch

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from services.embedder.families.ast import family, sizes_of
from shared.checkpoints import checkpoint
from shared.encoders.families import Output
from shared.encoders.protocol import EncoderOptions
from tests.support import tiny_audio
from tests.support.refusals import assert_other_kinds_are_refused, assert_weights_are_missed, changed

CPU = EncoderOptions(device="cpu", dtype="float32")
LAYERS = ["embeddings", "encoder.1", "encoder.2", "encoder.3", "encoder", "pooler"]
WINDOW = 400 + 127 * 160
N_BANDS, N_COLUMNS = 12, 12


@pytest.fixture(scope="module")
def folder(models):
    return tiny_audio.ast(models / "ast")


@pytest.fixture(scope="module")
def loaded(folder):
    return family.load(checkpoint(str(folder)), CPU)


@pytest.fixture(scope="module")
def clips(bridge):
    return tiny_audio.spoken(bridge, (0.025, 0.1, 0.3, 0.75, 1.0, 1.25))


@pytest.fixture(scope="module")
def by_the_library(folder):
    """Tokens of every layer of one clip, or of what the library leaves of it."""
    library = tiny_audio.transformers()
    network = library.ASTModel.from_pretrained(folder).eval()
    extractor = library.ASTFeatureExtractor.from_pretrained(folder)

    def tokens(clip):
        values = extractor(clip, sampling_rate=16_000, return_tensors="pt")["input_values"]
        with torch.inference_mode():
            found = network(values, output_hidden_states=True)
        hidden = [*found.hidden_states, found.last_hidden_state, found.pooler_output[:, None]]
        return {layer: one[0].numpy() for layer, one in zip(LAYERS, hidden, strict=True)}

    return tokens


def pooled(tokens, n_samples, pooling):
    """As the documents define it: patches that begin within the clip, or the class token."""
    if pooling == "first" or len(tokens) == 1:
        return tiny_audio.pooled_by_numpy(tokens[:1], pooling)
    n_columns = min(N_COLUMNS, -(-((n_samples - 400) // 160 + 1) // 10))
    patches = tokens[2:].reshape(N_BANDS, N_COLUMNS, -1)[:, :n_columns]
    return tiny_audio.pooled_by_numpy(patches.transpose(1, 0, 2).reshape(-1, patches.shape[2]), pooling)


def test_every_layer_and_pooling_equals_the_librarys_own(loaded, clips, by_the_library):
    outputs = tiny_audio.every_output(LAYERS)
    found = loaded.embed(clips, outputs)
    for row, clip in enumerate(clips):
        expected = by_the_library(clip)
        for output, one in zip(outputs, found, strict=True):
            vector = pooled(expected[output.layer], clip.size, output.pooling)
            tiny_audio.assert_near(one.vectors[row], vector, f"{output} of clip {row}")
            if output.keeps_frames:
                tiny_audio.assert_near(one.frames[row], expected[output.layer])


def test_a_clip_has_the_vectors_that_it_has_alone_in_any_company(loaded, clips, bridge):
    long = bridge.read(0, 3 * WINDOW)
    tiny_audio.assert_company_does_not_matter(loaded, [*clips, long], tiny_audio.every_output(LAYERS))


def test_a_longer_clip_is_as_many_windows_the_first_of_which_is_what_the_library_sees(loaded, bridge, by_the_library):
    clip = bridge.read(16_000, 16_000 + 2 * WINDOW + 8_000)
    [frames, mean] = loaded.embed([clip], [Output("encoder", "none"), Output("encoder", "mean")])
    windows = [clip[:WINDOW], clip[WINDOW : 2 * WINDOW], clip[2 * WINDOW :]]
    expected = [by_the_library(window)["encoder"] for window in windows]
    tiny_audio.assert_near(frames.frames[0], np.concatenate(expected))
    tiny_audio.assert_near(frames.frames[0][: len(expected[0])], by_the_library(clip)["encoder"])
    columns = [12, 12, 5]
    means = [pooled(one, window.size, "mean") for one, window in zip(expected, windows, strict=True)]
    tiny_audio.assert_near(mean.vectors[0], np.average(means, axis=0, weights=columns))


def test_dimensions_are_as_the_card_says(folder, loaded, clips):
    card = family.card(checkpoint(str(folder)))
    found = loaded.embed(clips[:1], [Output(layer, "mean", "padded") for layer in card.layers])
    assert list(card.layers) == LAYERS
    assert [one.vectors.shape[1] for one in found] == list(card.layers.values())


def test_one_sample_is_repeated_up_to_a_frame(loaded):
    one, repeated = np.full(1, 0.3, np.float32), np.full(400, 0.3, np.float32)
    outputs = [Output("encoder", "mean")]
    np.testing.assert_array_equal(loaded.embed([one], outputs)[0].vectors, loaded.embed([repeated], outputs)[0].vectors)


def test_one_pass_serves_every_layer_and_stops_after_the_deepest(loaded, clips):
    calls = []
    hooks = [
        layer.register_forward_hook(lambda *_, n=n: calls.append(n)) for n, layer in enumerate(loaded._network.layers)
    ]
    loaded.embed(clips[:1], tiny_audio.every_output(["embeddings", "encoder.1", "encoder.2"]))
    for hook in hooks:
        hook.remove()
    assert calls == [0, 1]


def test_the_published_window_holds_101_columns_in_10_s(models):
    sizes = sizes_of(checkpoint(str(tiny_audio.ast(models / "ast-1024", n_frames=1024))))
    assert (sizes.n_columns, sizes.n_bands, sizes.window_samples) == (101, 12, 164_080)
    assert [sizes.n_valid_columns(n) for n in (400, 1_999, 2_000, 164_080)] == [1, 1, 2, 101]


def test_a_spectrogram_that_is_not_scaled_is_left_as_it_is(folder, tmp_path, clips, by_the_library):
    library = tiny_audio.transformers()
    shutil.copytree(folder, tmp_path / "raw")
    library.ASTFeatureExtractor(max_length=128, do_normalize=False).save_pretrained(tmp_path / "raw")
    network = library.ASTModel.from_pretrained(folder).eval()
    values = library.ASTFeatureExtractor.from_pretrained(tmp_path / "raw")(
        clips[3], sampling_rate=16_000, return_tensors="pt"
    )
    with torch.inference_mode():
        expected = network(**values).pooler_output[0].numpy()
    [found] = family.load(checkpoint(str(tmp_path / "raw")), CPU).embed([clips[3]], [Output("pooler", "mean")])
    tiny_audio.assert_near(found.vectors[0], expected)


def test_weights_under_the_names_of_older_files_are_read(folder, loaded, tmp_path, clips):
    from safetensors.torch import load_file

    shutil.copytree(folder, tmp_path / "old")
    state = load_file(tmp_path / "old/model.safetensors")
    (tmp_path / "old/model.safetensors").unlink()
    names = {
        "layers.": "encoder.layer.", "attention.q_proj": "attention.attention.query",
        "attention.k_proj": "attention.attention.key", "attention.v_proj": "attention.attention.value",
        "attention.o_proj": "attention.output.dense", "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense",
    }  # fmt: skip
    for new, old in names.items():
        state = {name.replace(new, old): tensor for name, tensor in state.items()}
    state = {f"audio_spectrogram_transformer.{name}": tensor for name, tensor in state.items()}
    torch.save({**state, "classifier.dense.bias": torch.zeros(3)}, tmp_path / "old/pytorch_model.bin")
    outputs = [Output("encoder", "mean")]
    old = family.load(checkpoint(str(tmp_path / "old")), CPU)
    np.testing.assert_array_equal(old.embed(clips, outputs)[0].vectors, loaded.embed(clips, outputs)[0].vectors)


def test_another_architecture_is_refused(folder, tmp_path):
    assert_other_kinds_are_refused(family, folder, tmp_path, "holds a gpt2, not a audio-spectrogram-transformer")


def test_a_folder_without_weights_is_refused(folder, tmp_path):
    assert_weights_are_missed(family, folder, tmp_path)


def test_a_feature_extractor_of_another_window_is_refused(folder, tmp_path):
    other = changed(folder, tmp_path / "other", "preprocessor_config.json", max_length=1024)
    with pytest.raises(UnreadableCheckpoint, match="max_length = 1024, not 128"):
        family.card(checkpoint(str(other)))


def test_many_passes_need_no_more_memory_than_one(loaded, bridge, capsys):
    tiny_audio.check_memory(loaded, bridge.read(0, WINDOW), Output("encoder", "mean"), capsys)
