"""Folders of sentence-transformers without that package: small ones, and the trained all-MiniLM-L6-v2."""

import json
import shutil

import numpy as np
import pytest
import torch

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from services.embedder.families import sentence
from shared.checkpoints import checkpoint
from shared.encoders.families import Family, Output
from shared.encoders.protocol import EncoderOptions
from tests.support.refusals import assert_other_kinds_are_refused, assert_weights_are_missed
from tests.support.tiny_audio import assert_company_does_not_matter, assert_near
from tests.support.tiny_texts import DIMENSION, SENTENCE_TOKENS, minilm, tiny_sentence_encoder, tiny_text_network

CPU = EncoderOptions(device="cpu", dtype="float32")
TEXTS = ["x", "Yes.", "Who said that?", "The choir sang; rain fell.", "dogs dogs dogs"]
OWN = Output("sentence", "mean")


def load(folder):
    return sentence.family.load(checkpoint(str(folder)), CPU)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_sentence_encoder(tmp_path_factory.mktemp("sentence"))


@torch.inference_mode()
def frames_of(folder, text):
    """transformers' own last layer."""
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(str(folder))(text, return_tensors="pt")
    return AutoModel.from_pretrained(str(folder)).eval()(**tokens).last_hidden_state[0].numpy()


def unit(vector):
    return vector / np.linalg.norm(vector)


def by_position(frames):
    return np.average(frames, axis=0, weights=np.arange(1, len(frames) + 1))


POOLED = {
    "pooling_mode_cls_token": lambda frames: frames[0],
    "pooling_mode_max_tokens": lambda frames: frames.max(0),
    "pooling_mode_mean_tokens": lambda frames: frames.mean(0),
    "pooling_mode_mean_sqrt_len_tokens": lambda frames: frames.sum(0) / np.sqrt(len(frames)),
    "pooling_mode_weightedmean_tokens": by_position,
    "pooling_mode_lasttoken": lambda frames: frames[-1],
}


def test_it_is_a_family_whose_default_layer_is_the_folders_own_pooling(folder):
    card = sentence.family.card(checkpoint(str(folder)))
    assert isinstance(sentence.family, Family)
    assert card.default_layer == "sentence"
    assert list(card.layers) == ["embeddings", "encoder.1", "encoder.2", "encoder.3", "encoder", "sentence"]


@pytest.mark.parametrize("mode", POOLED)
def test_each_of_the_packages_poolings_is_done_as_the_package_does_it(mode, tmp_path):
    folder = tiny_sentence_encoder(tmp_path, normalise=False, **dict.fromkeys(POOLED, False) | {mode: True})
    expected = [POOLED[mode](frames_of(folder, text)) for text in TEXTS]
    assert_near(load(folder).embed(TEXTS, [OWN])[0].vectors, expected)


def test_several_poolings_stand_side_by_side_in_the_packages_order(tmp_path):
    folder = tiny_sentence_encoder(tmp_path, pooling_mode_mean_tokens=True, pooling_mode_cls_token=True)
    assert sentence.family.card(checkpoint(str(folder))).layers["sentence"] == 2 * DIMENSION
    frames = [frames_of(folder, text) for text in TEXTS]
    expected = [unit(np.concatenate([one[0], one.mean(0)])) for one in frames]
    assert_near(load(folder).embed(TEXTS, [OWN])[0].vectors, expected)


def test_poolings_are_also_read_as_the_package_writes_them_since_version_6(tmp_path):
    folder = tiny_sentence_encoder(tmp_path, normalise=False, pooling_mode=["max", "mean"])
    frames = [frames_of(folder, text) for text in TEXTS]
    expected = [np.concatenate([one.max(0), one.mean(0)]) for one in frames]
    assert_near(load(folder).embed(TEXTS, [OWN])[0].vectors, expected)


def test_a_pooling_that_nobody_knows_is_refused(tmp_path):
    folder = tiny_sentence_encoder(tmp_path, pooling_mode="median")
    with pytest.raises(UnreadableCheckpoint, match="median"):
        sentence.family.card(checkpoint(str(folder)))


def test_batched_equals_single_equals_shuffled(folder):
    outputs = [OWN, Output("encoder.1", "mean"), Output("sentence", "none")]
    assert_company_does_not_matter(load(folder), [*TEXTS, "who said that " * 30], outputs)


def test_its_own_vector_comes_out_of_the_pass_that_serves_the_other_layers(folder):
    model, passes = load(folder), []
    handle = model._network.register_forward_pre_hook(lambda *_: passes.append(1))
    outputs = [Output("encoder", "mean"), OWN, Output("encoder.1", "first"), Output("sentence", "none")]
    made = model.embed(TEXTS, outputs)
    handle.remove()
    assert len(passes) == 1
    assert_near(made[1].vectors, [unit(row) for row in made[0].vectors])
    assert [frames.shape for frames in made[3].frames] == [(1, DIMENSION)] * len(TEXTS)


def test_a_text_beyond_the_folders_limit_is_the_mean_of_its_windows(folder):
    text = "x" * 30 + "Q" * 31  # each letter is a token
    model = load(folder)
    (windows,) = model._reader.windows([text])
    lengths = [len(window) for window in windows]
    assert max(lengths) <= SENTENCE_TOKENS
    assert lengths == [23, 23, 21]  # and yet all weigh the same
    with torch.inference_mode():
        frames = [model._network(torch.tensor([window])).last_hidden_state[0].numpy() for window in windows]
    expected = np.mean([unit(one.mean(0)) for one in frames], axis=0)
    assert_near(model.embed([text], [OWN])[0].vectors[0], expected)


def test_steps_that_are_not_done_here_are_named(folder, tmp_path):
    copied = shutil.copytree(folder, tmp_path / "dense")
    listed = json.loads((copied / "modules.json").read_text())
    listed.insert(2, {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    (copied / "modules.json").write_text(json.dumps(listed))
    with pytest.raises(UnreadableCheckpoint, match="Transformer, Pooling, Dense, Normalize"):
        sentence.family.card(checkpoint(str(copied)))


def test_a_folder_that_wants_a_prompt_is_refused(folder, tmp_path):
    copied = shutil.copytree(folder, tmp_path / "prompted")
    prompts = {"prompts": {"query": "query: "}, "default_prompt_name": "query"}
    (copied / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    with pytest.raises(UnreadableCheckpoint, match="prompt"):
        sentence.family.card(checkpoint(str(copied)))


def test_another_architecture_is_refused(folder, tmp_path):
    assert_other_kinds_are_refused(sentence.family, folder, tmp_path, "holds a gpt2, not a roberta or xlm-roberta")


def test_a_folder_without_weights_is_refused(folder, tmp_path):
    assert_weights_are_missed(sentence.family, folder, tmp_path)


def test_a_plain_network_is_none_of_sentence_transformers(tmp_path):
    with pytest.raises(UnreadableCheckpoint, match=r"modules\.json"):
        sentence.family.card(checkpoint(str(tiny_text_network(tmp_path))))


def test_a_broken_list_of_steps_is_refused(folder, tmp_path):
    copied = shutil.copytree(folder, tmp_path / "broken")
    for content in ("{}", "[1]", "[{}]", "["):
        (copied / "modules.json").write_text(content)
        with pytest.raises(UnreadableCheckpoint):
            sentence.family.card(checkpoint(str(copied)))


# What the package sentence-transformers 6.2.0 makes of these texts with the same weights: the first of its numbers.
MINILM_TEXTS = [
    "Hello world",
    "  A cat.",
    "x",
    "word " * 180,
    "The quick brown fox, jumping over 13 lazy dogs! ÄÖÜ 漢字",
]

MINILM_NUMBERS = [
    [-0.0344772, 0.0310232, 0.0067350, 0.0261090, -0.0393620, -0.1603025],
    [0.0618503, 0.0398827, 0.0039145, 0.0753281, -0.1276008, 0.0144199],
    [-0.0979097, -0.0640008, -0.0231812, -0.0461967, 0.0216999, -0.0284923],
    [-0.0001812, -0.0825173, -0.0390434, 0.0299687, -0.0479755, 0.0287732],
    [-0.0345597, 0.0605321, -0.0023461, 0.0293943, -0.0281817, 0.0017606],
]


@pytest.fixture(scope="module")
def trained():
    return load(minilm())


def test_the_trained_weights_give_the_numbers_of_the_package(trained):
    vectors = trained.embed(MINILM_TEXTS, [OWN])[0].vectors
    np.testing.assert_allclose(vectors[:, :6], MINILM_NUMBERS, atol=1e-6)


def test_the_trained_weights_know_what_sentences_mean(trained):
    texts = [
        "A man is eating food.",
        "Somebody has a meal.",
        "The orchestra plays a symphony.",
        "Music is performed in the concert hall.",
    ]
    vectors = trained.embed(texts, [OWN])[0].vectors
    alike = vectors @ vectors.T
    assert min(alike[0, 1], alike[2, 3]) > 0.4
    assert alike[:2, 2:].max() < 0.2
