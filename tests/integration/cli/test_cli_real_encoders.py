"""Encoders added, checked and named by the command, of small models that the workers read by their path."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import tiny_audio
from tests.support.stack import FullStack
from tests.support.tiny_texts import tiny_sentence_encoder, tiny_text_network

pytestmark = pytest.mark.slow


def call(stack: FullStack, *words: object, check: bool = True) -> Any:
    return json.loads(stack.earmark(*map(str, words), "--json", check=check).stdout)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_text_network(tmp_path_factory.mktemp("models") / "roberta")


def test_families_are_those_of_the_workers(full_stack: FullStack) -> None:
    families = {row["name"]: row for row in call(full_stack, "encoders", "families")}
    assert {"roberta", "sentence", "wav2vec2", "whisper"} <= set(families)
    assert families["sentence"]["installed"]
    assert families["sentence"]["modality"] == "text"
    assert families["roberta"]["models"]["base"] == "FacebookAI/roberta-base"


def test_a_text_encoder_is_added_and_checked(full_stack: FullStack, texts: Path) -> None:
    words = ("--family", "roberta", "--model", texts, "--layer", "encoder.1", "--layer", "encoder", "--wait")
    rows = call(full_stack, "encoders", "add", "roberta-tiny", *words, "--pooling", "stats")
    assert [(row["name"], row["state"], row["dimension"]) for row in rows] == [
        ("roberta-tiny:encoder.1:stats", "ready", 48),
        ("roberta-tiny:encoder:stats", "ready", 48),
    ]
    found = call(full_stack, "encoders", "check", "roberta-tiny:encoder.1:stats")
    assert found["passed"], found
    assert found["characters_per_s"] > 0
    assert found["device"]
    both = ("--encoder", "spectral", "--encoder", "roberta-tiny:encoder:stats")
    made = call(full_stack, "collections", "create", "written", *both)
    assert made["encoders"] == ["spectral", "roberta-tiny:encoder:stats"]


def test_an_encoder_of_texts_cannot_be_the_one_that_names(full_stack: FullStack, texts: Path) -> None:
    call(full_stack, "encoders", "add", "reads", "--family", "roberta", "--model", texts, "--wait")
    error = call(full_stack, "collections", "create", "read", "--encoder", "reads", check=False)["error"]
    assert error["code"] == "encoder_of_texts", error


def test_sentence_and_audio_encoders_pass_their_checks(
    full_stack: FullStack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("models")
    models = {"sentence": tiny_sentence_encoder(folder / "s"), "wav2vec2": tiny_audio.wav2vec2(folder / "w")}
    for family, model in models.items():
        call(full_stack, "encoders", "add", f"tiny-{family}", "--family", family, "--model", model, "--wait")
        found = call(full_stack, "encoders", "check", f"tiny-{family}")
        assert found["passed"], found


def test_recordings_are_embedded_by_added_encoders(
    full_stack: FullStack, demo_audio: Path, texts: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("models")
    layers = ("--layer", "encoder.1", "--layer", "cnn")
    model = ("--family", "wav2vec2", "--model", tiny_audio.wav2vec2(folder))
    call(full_stack, "encoders", "add", "heard", *model, *layers, "--pooling", "stats", "--wait")
    call(full_stack, "encoders", "add", "read", "--family", "roberta", "--model", texts, "--wait")
    names = ("heard:encoder.1:stats", "heard:cnn:stats", "read")  # nobody has written down what is said
    chosen = [word for name in names for word in ("--encoder", name)]
    wanted = ("-c", "added", "--segmenter", "whole", *chosen, "--wait", "--timeout", 120)
    [file] = call(full_stack, "ingest", demo_audio / "bridge.flac", *wanted)["files"]
    assert (file["status"], file["segments"]) == ("ready", 1)
    for name, dimension in (("heard:encoder.1:stats", 64), ("heard:cnn:stats", 32)):
        out = folder / name
        full_stack.earmark("export", "embeddings", "-c", "added", "--encoder", name, "--out", str(out))
        assert np.load(out / "embeddings.npy").shape == (1, dimension)


def test_what_a_checkpoint_does_not_have_is_named_and_can_be_put_right(full_stack: FullStack, texts: Path) -> None:
    words = ("encoders", "add", "mended", "--family", "roberta", "--model", texts, "--wait")
    error = call(full_stack, *words, "--layer", "encoder.9", check=False)["error"]
    assert error["code"] == "unknown_layer"
    assert "embeddings, encoder.1, encoder.2, encoder.3, encoder" in error["message"]
    listed = {row["name"]: row for row in call(full_stack, "encoders", "list")}
    assert (listed["mended"]["state"], listed["mended"]["code"]) == ("failed", "unknown_layer")
    assert [row["state"] for row in call(full_stack, *words, "--layer", "encoder.2")] == ["ready"]


@pytest.mark.parametrize(
    ("family", "model", "code"),
    [
        ("sentence", "{texts}", "unreadable_checkpoint"),
        ("wav2vec2", "{texts}", "unreadable_checkpoint"),
        ("roberta", "{texts}/tokenizer.json", "unreadable_checkpoint"),
        ("roberta", "no/such/path/anywhere", "unknown_model"),
        ("roberta", "{bare}", "missing_model"),
    ],
)
def test_a_model_that_is_none_says_so(
    full_stack: FullStack, texts: Path, tmp_path: Path, family: str, model: str, code: str
) -> None:
    (tmp_path / "config.json").write_text((texts / "config.json").read_text())
    path = model.format(texts=texts, bare=tmp_path)
    name = f"bad-{family}-{code.replace('_', '-')}-{len(path)}"
    words = ("encoders", "add", name, "--family", family, "--model", path)
    error = call(full_stack, *words, "--wait", check=False)["error"]
    assert error["code"] == code, error


def test_weights_that_changed_are_not_taken_for_the_old_ones(
    full_stack: FullStack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tiny_text_network(tmp_path_factory.mktemp("models") / "changing")
    call(full_stack, "encoders", "add", "changing", "--family", "roberta", "--model", folder, "--wait")
    tiny_text_network(folder, seed=1)
    error = call(full_stack, "encoders", "check", "changing", check=False)["error"]
    assert error["code"] == "checkpoint_changed", error
