"""The family `whisper`: what is read of a checkpoint before it is loaded, and which ones are refused."""

import shutil

import numpy as np
import pytest
import torch

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from services.embedder.families.whisper import family
from shared.checkpoints import LocalCheckpoint, checkpoint
from shared.encoders.families import Output
from shared.encoders.protocol import EncoderOptions
from tests.support import checkpoints, tiny_whisper
from tests.support.refusals import assert_other_kinds_are_refused, assert_weights_are_missed, changed

CPU = EncoderOptions(device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def folder(models):
    return tiny_whisper.untrained_folder(models / "whisper-files")


@pytest.fixture(scope="module")
def file(models):
    return checkpoints.whisper_untrained(models / "whisper-files.pt")


def test_the_card_names_layers_from_the_input_to_the_output(folder, file):
    card = family.card(LocalCheckpoint(folder))
    assert list(card.layers) == ["conv", "encoder.0", "encoder.1", "encoder.2", "encoder"]
    assert set(card.layers.values()) == {32}
    assert (card.default_layer, card.windows, card.sample_rate_hz) == ("encoder", ("padded", "trimmed"), 16_000)
    assert list(family.card(LocalCheckpoint(file)).layers) == ["conv", "encoder.0", "encoder.1", "encoder"]


def test_other_weights_have_another_identity(folder, models):
    other = tiny_whisper.untrained_folder(models / "whisper-others", seed=1)
    assert family.card(LocalCheckpoint(folder)).identity != family.card(LocalCheckpoint(other)).identity


def test_a_repository_is_loaded_at_its_commit_out_of_what_was_fetched_before(folder, tmp_path, monkeypatch):
    commit = "0123456789" * 4
    shutil.copytree(folder, tmp_path / "models--someone--whisper" / "snapshots" / commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    hub, local = checkpoint(f"someone/whisper@{commit}"), checkpoint(str(folder))
    assert family.card(hub).identity == "someone/whisper@012345678901-1"
    assert family.card(hub).layers == family.card(local).layers
    outputs, clip = [Output("encoder", "mean", "trimmed")], np.full(1_600, 0.3, np.float32)
    rows = [family.load(one, CPU).embed([clip], outputs)[0].vectors for one in (hub, local)]
    np.testing.assert_array_equal(*rows)


def test_another_architecture_is_named(folder, tmp_path):
    assert_other_kinds_are_refused(family, folder, tmp_path, "holds a gpt2, not a whisper")


def test_a_file_that_is_no_whisper_is_refused(tmp_path):
    torch.save({"state_dict": {"weight": torch.zeros(2)}}, tmp_path / "other.pt")
    with pytest.raises(UnreadableCheckpoint, match="no checkpoint of Whisper: it holds no dims"):
        family.card(LocalCheckpoint(tmp_path / "other.pt"))


def test_a_text_is_no_whisper(tmp_path):
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(UnreadableCheckpoint, match=r"text\.pt is no checkpoint of Whisper: it is not what torch"):
        family.card(LocalCheckpoint(tmp_path / "text.pt"))


def test_a_folder_without_weights_is_refused(folder, tmp_path):
    assert_weights_are_missed(family, folder, tmp_path)


def test_weights_that_are_missing_are_not_drawn_at_random(folder, tmp_path):
    deeper = LocalCheckpoint(changed(folder, tmp_path / "deeper", encoder_layers=3))
    with pytest.raises(UnreadableCheckpoint, match="lacks 15 weights"):
        family.load(deeper, CPU)


def test_a_file_whose_weights_are_not_those_of_its_sizes_is_refused(file, tmp_path):
    content = torch.load(file)
    content["dims"]["n_audio_layer"] = 2
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(UnreadableCheckpoint, match="Missing key"):
        family.load(LocalCheckpoint(tmp_path / "other.pt"), CPU)


def test_features_of_another_make_are_refused(folder, tmp_path):
    other = changed(folder, tmp_path / "other", "preprocessor_config.json", hop_length=80)
    with pytest.raises(UnreadableCheckpoint, match="wants hop_length = 80, not 160"):
        family.card(LocalCheckpoint(other))
