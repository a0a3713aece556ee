"""`earmark encoders`: what is sent, what is shown, and how a failure looks."""

from pathlib import Path

import pytest

from tests.integration.cli.api_script import Script
from tests.integration.cli.conftest import Earmark

FOUND = {
    "encoder": "words",
    "space": "words_1",
    "dimension": 384,
    "promises": {"dimension": True, "unit_rows": True, "batched_equals_single": False},
    "passed": False,
    "largest_difference": 0.0123,
    "characters_per_s": 812.5,
    "peak_memory_mib": 900,
    "device": "cpu",
    "dtype": "float32",
}


def row(name: str, **more: object) -> dict[str, object]:
    blank = dict.fromkeys(("family", "model", "layer", "pooling", "window", "frames", "dimension", "code", "reason"))
    return {**blank, "name": name, "state": "ready", **more}


def test_what_was_not_named_is_not_sent(api: Script, earmark: Earmark) -> None:
    assert earmark("encoders", "add", "words", "--family", "roberta", "--model", "base").status == 0
    assert api.bodies["encoders"] == [{"name": "words", "family": "roberta", "model": "base"}]


def test_layers_and_poolings_go_as_lists(api: Script, earmark: Earmark) -> None:
    chosen = ("--layer", "encoder.1", "--layer", "encoder", "--pooling", "max", "--window", "padded")
    earmark("encoders", "add", "w", "--family", "whisper", "--model", "v3", *chosen, "--frames", "float16")
    [body] = api.bodies["encoders"]
    assert (body["layers"], body["poolings"]) == (["encoder.1", "encoder"], ["max"])
    assert (body["window"], body["frames"]) == ("padded", "float16")


def test_a_path_is_sent_whole_and_a_name_as_it_is(
    api: Script, earmark: Earmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base").mkdir()
    monkeypatch.chdir(tmp_path)
    for model in ("./base", "base", "someone/base"):
        earmark("encoders", "add", "words", "--family", "roberta", "--model", model)
    assert [body["model"] for body in api.bodies["encoders"]] == [str(tmp_path / "base"), "base", "someone/base"]


def test_waiting_ends_when_the_model_is_read(api: Script, earmark: Earmark) -> None:
    added = earmark("encoders", "add", "words", "--family", "roberta", "--model", "base", "--wait", "--json")
    assert [one["state"] for one in added.document] == ["ready"]
    assert api.polls["words"] == 2


def test_an_encoder_that_cannot_be_made_is_a_failure_with_its_code_and_what_there_is(
    api: Script, earmark: Earmark
) -> None:
    api.encoder_state = "failed"
    words = ("encoders", "add", "words", "--family", "roberta", "--model", "base", "--wait")
    shown = earmark(*words)
    assert shown.status == 1
    assert "m has no layer 'encoder'; it has a, b." in shown.err
    command = "earmark encoders add words --family roberta --model base --layer LAYER --pooling mean"
    assert command in shown.err
    assert earmark(*words, "--json").document["error"]["code"] == "unknown_layer"


def test_the_list_shows_what_became_of_each(api: Script, earmark: Earmark) -> None:
    bad = row("bad", family="roberta", model="base", state="failed", code="unknown_layer", reason="It has a, b.")
    api.rows["encoders"] = [row("ge2e", layer="last", pooling="mean", dimension=256), bad]
    result = earmark("encoders", "list")
    assert "ge2e" in result.out
    assert "256" in result.out
    assert "bad: It has a, b. (unknown_layer)" in result.err
    assert "encoders add bad --family roberta --model base\n" in result.err
    assert "encoders check" not in result.err
    assert earmark("encoders", "list", "--json").document == api.rows["encoders"]


def test_a_layer_that_there_is_not_is_not_proposed_again(api: Script, earmark: Earmark) -> None:
    asked = {"family": "whisper", "model": "tiny", "layer": "encoder.99", "pooling": "mean"}
    failed = {"state": "failed", "code": "unknown_layer", "reason": "It has a, b."}
    api.rows["encoders"] = [row("w", **asked, **failed), row("w:encoder.99:mean", **asked, **failed)]
    told = earmark("encoders", "list").err
    for name in ("w", "w:LAYER:mean"):
        assert f"encoders add {name} --family whisper --model tiny --layer LAYER --pooling mean\n" in told


def test_weights_that_are_missing_can_be_named_as_a_folder(api: Script, earmark: Earmark) -> None:
    asked = {"family": "whisper", "model": "v2", "pooling": "none", "window": "padded"}
    api.rows["encoders"] = [row("whisper-large-v2", **asked, state="failed", code="missing_model", reason="No hub.")]
    command = "encoders add whisper-large-v2 --family whisper --model FOLDER --pooling none --window padded\n"
    assert command in earmark("encoders", "list").err


def test_families_are_shown_with_their_short_names(api: Script, earmark: Earmark) -> None:
    family = {"name": "roberta", "installed": True, "modality": "text", "extra": "transformers"}
    api.rows["encoder-families"] = [{**family, "models": {"base": "a/b", "large": "c/d"}}]
    shown = earmark("encoders", "families")
    assert shown.status == 0
    assert "base, large" in shown.out


def test_one_encoder_is_shown(earmark: Earmark) -> None:
    assert earmark("encoders", "show", "words", "--json").document["name"] == "words"
    assert "roberta" in earmark("encoders", "show", "words").out


def test_a_check_is_a_table_and_fails_where_a_promise_is_broken(api: Script, earmark: Earmark) -> None:
    api.check_result = FOUND
    shown = earmark("encoders", "check", "words")
    assert shown.status == 1
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    for line in ("batched equals single no", "dimension yes: 384", "characters per s 812.5", "peak memory mib 900"):
        assert line in lines
    assert "largest difference 1.2e-02" in lines
    api.check_result = {**FOUND, "passed": True}
    done = earmark("encoders", "check", "words", "--json")
    assert done.status == 0
    assert done.document == api.check_result


def test_an_encoder_that_cannot_be_built_fails_its_check_with_a_code(api: Script, earmark: Earmark) -> None:
    api.check_result = {"encoder": "words", "passed": False, "code": "checkpoint_changed", "reason": "Other weights."}
    shown = earmark("encoders", "check", "words", "--json")
    assert shown.status == 1
    assert shown.document["error"]["code"] == "checkpoint_changed"


def test_what_an_encoder_has_made_goes_only_where_that_is_asked_for(earmark: Earmark) -> None:
    dropped = earmark("collections", "drop-encoder", "talk", "words")
    assert dropped.out.splitlines() == [
        "talk does without words, and has ge2e",
        "Ready now, since they waited for nothing else: 1 recording",
    ]
    assert "7 vectors of words deleted" in earmark("collections", "drop-encoder", "talk", "words", "--purge").out
