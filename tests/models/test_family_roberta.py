"""RoBERTa and its kin: the real architectures, small, through transformers' own loader."""

import shutil

import numpy as np
import pytest
import torch

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from services.embedder.families import roberta
from shared.checkpoints import MissingModel, checkpoint
from shared.encoders.families import POOLINGS, Family, Model, Output
from shared.encoders.protocol import EncoderOptions
from tests.support.refusals import assert_other_kinds_are_refused, assert_weights_are_missed, changed
from tests.support.tiny_audio import (
    assert_company_does_not_matter,
    assert_near,
    check_memory,
    every_output,
    pooled_by_numpy,
)
from tests.support.tiny_texts import DIMENSION, KINDS, MAX_TOKENS, N_BLOCKS, tiny_text_network

CPU = EncoderOptions(device="cpu", dtype="float32")
TEXTS = ["x", "Yes.", "Who said that?", "The choir sang on the bridge; rain fell.", "Ä 漢字", "dogs dogs dogs"]
LONG = "The quick brown fox said that she would come over the bridge. " * 8


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {kind: tiny_text_network(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


@pytest.fixture(scope="module")
def folder(folders):
    return folders["roberta"]


@pytest.fixture(scope="module")
def model(folder):
    return roberta.family.load(checkpoint(str(folder)), CPU)


class Library:
    """transformers itself, one text at a time."""

    def __init__(self, folder):
        from transformers import AutoModel, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(str(folder))
        self.network = AutoModel.from_pretrained(str(folder)).eval()

    @torch.inference_mode()
    def layers(self, text):
        """Every layer's frames by name."""
        out = self.network(**self.tokenizer(text, return_tensors="pt"), output_hidden_states=True)
        blocks = {f"encoder.{n}": frames for n, frames in enumerate(out.hidden_states)}
        blocks["embeddings"] = blocks.pop("encoder.0")
        return {name: frames[0].numpy() for name, frames in {**blocks, "encoder": out.last_hidden_state}.items()}


def test_it_is_a_family(model):
    assert isinstance(roberta.family, Family)
    assert isinstance(model, Model)
    assert model.made_with["dtype"] == "float32"
    assert model.size_bytes > 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_and_pooling_equals_the_librarys(folders, kind):
    found = checkpoint(str(folders[kind]))
    layers = roberta.family.card(found).layers
    assert list(layers) == ["embeddings", *(f"encoder.{n + 1}" for n in range(N_BLOCKS)), "encoder"]
    assert set(layers.values()) == {DIMENSION}
    outputs = every_output(layers)
    made = roberta.family.load(found, CPU).embed(TEXTS, outputs)
    library = Library(folders[kind])
    for i, text in enumerate(TEXTS):
        expected = library.layers(text)
        for output, one in zip(outputs, made, strict=True):
            frames = expected[output.layer]
            assert_near(one.vectors[i], pooled_by_numpy(frames, output.pooling), f"{output} of {text}")
            if output.keeps_frames:
                assert_near(one.frames[i], frames, f"{output} of {text}")
            else:
                assert one.frames is None


def test_batched_equals_single_equals_shuffled(model):
    outputs = [Output("encoder", "mean"), Output("encoder.1", "stats"), Output("encoder.2", "none")]
    assert_company_does_not_matter(model, [*TEXTS, LONG, LONG[:90]], outputs)


def test_one_pass_serves_all_layers_and_ends_after_the_deepest(model):
    passes, blocks = [], []
    network = model._network
    handles = [network.register_forward_pre_hook(lambda *_: passes.append(1))]
    handles += [block.register_forward_hook(lambda *_: blocks.append(1)) for block in network.encoder.layer]
    model.embed(TEXTS, [Output(layer, "mean") for layer in ("embeddings", "encoder.1", "encoder.2")])
    for handle in handles:
        handle.remove()
    assert len(passes) == 1
    assert len(blocks) == 2


def test_blanks_around_a_text_are_no_part_of_it(model):
    vectors = model.embed(["Who said that?", "  Who said that?\n"], [Output("encoder", "mean")])[0].vectors
    np.testing.assert_array_equal(vectors[0], vectors[1])


def test_long_texts_go_through_in_windows_and_are_pooled_over_all_of_their_tokens(model, folder):
    (windows,) = model._reader.windows([LONG])
    assert len(windows) > 2
    assert max(len(window) for window in windows) <= MAX_TOKENS
    tokenizer = model._reader.tokenizer
    assert {(window[0], window[-1]) for window in windows} == {(tokenizer.bos_token_id, tokenizer.eos_token_id)}
    own = [token for window in windows for token in window[1:-1]]
    assert own == tokenizer(LONG.strip(), add_special_tokens=False)["input_ids"]  # nothing lost, nothing twice
    library = Library(folder)
    with torch.inference_mode():
        passed = [library.network(torch.tensor([window])).last_hidden_state[0].numpy() for window in windows]
    frames = np.concatenate(passed)
    outputs = [Output("encoder", pooling) for pooling in POOLINGS]
    for output, one in zip(outputs, model.embed(["x", LONG], outputs), strict=True):
        assert_near(one.vectors[1], pooled_by_numpy(frames, output.pooling), output.pooling)
    assert_near(model.embed([LONG], [Output("encoder", "none")])[0].frames[0], frames)


def test_windows_are_of_like_lengths_so_that_none_holds_a_rest(model):
    (windows,) = model._reader.windows(["x" * (2 * (MAX_TOKENS - 2) + 1)])  # each x is a token
    assert [len(window) for window in windows] == [23, 23, 21]


def test_a_text_that_just_fits_is_one_window(model):
    tokenizer = model._reader.tokenizer
    text = "x" * (MAX_TOKENS - 2)
    assert len(tokenizer(text)["input_ids"]) == MAX_TOKENS
    assert [len(windows) for windows in model._reader.windows([text, text + "x"])] == [1, 2]


def test_reduced_precision_stays_close_and_pools_in_single(folder, model):
    reduced = roberta.family.load(checkpoint(str(folder)), EncoderOptions(device="cpu", dtype="bfloat16"))
    output = Output("embeddings", "mean")  # before the first product in fewer bits
    np.testing.assert_allclose(
        reduced.embed(TEXTS, [output])[0].vectors, model.embed(TEXTS, [output])[0].vectors, atol=1e-6
    )
    rows = [one.embed(TEXTS, [Output("encoder", "mean")])[0].vectors for one in (reduced, model)]
    cosines = (rows[0] * rows[1]).sum(1) / np.prod([np.linalg.norm(one, axis=1) for one in rows], axis=0)
    assert cosines.min() > 0.99


def test_memory_does_not_grow_with_the_number_of_texts(model, capsys):
    check_memory(model, LONG, Output("encoder", "mean"), capsys)


def test_a_masked_language_model_is_as_good_as_its_encoder(tmp_path):
    folder = tiny_text_network(tmp_path, masked=True)
    vectors = roberta.family.load(checkpoint(str(folder)), CPU).embed(TEXTS, [Output("encoder", "mean")])[0].vectors
    expected = [Library(folder).layers(text)["encoder"].mean(0) for text in TEXTS]
    assert_near(vectors, np.stack(expected))


def test_other_weights_are_another_identity(folder, tmp_path):
    other = tiny_text_network(tmp_path, seed=1)
    cards = [roberta.family.card(checkpoint(str(one))) for one in (folder, other)]
    assert cards[0].identity != cards[1].identity
    assert (cards[0].modality, cards[0].sample_rate_hz, cards[0].default_layer) == ("text", 0, "encoder")


def test_another_architecture_is_refused_with_what_it_is(folder, tmp_path):
    assert_other_kinds_are_refused(roberta.family, folder, tmp_path, "holds a gpt2, not a roberta or xlm-roberta")


def test_a_folder_without_weights_is_refused(folder, tmp_path):
    assert_weights_are_missed(roberta.family, folder, tmp_path)


def test_weights_that_lack_a_block_are_refused(folder, tmp_path):
    deeper = changed(folder, tmp_path / "deeper", num_hidden_layers=N_BLOCKS + 1)
    with pytest.raises(UnreadableCheckpoint, match="lacks 16 weights"):
        roberta.family.load(checkpoint(str(deeper)), CPU)


def test_a_folder_without_its_tokenizer_is_refused(folder, tmp_path):
    copied = shutil.copytree(folder, tmp_path / "mute", ignore=shutil.ignore_patterns("tokenizer*", "special*"))
    with pytest.raises((UnreadableCheckpoint, MissingModel), match="tokenizer"):
        roberta.family.load(checkpoint(str(copied)), CPU)
