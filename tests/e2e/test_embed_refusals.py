"""What `earmark embed` refuses, warns of and counts."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.corpora import sap_contributor, wav
from tests.support.embed_runs import ETIOLOGIES, config_file, embed, refused
from tests.support.stack import FullStack

pytestmark = pytest.mark.slow


def test_a_mode_replaces_keys_and_a_bad_config_does_nothing(
    embedding_stack: FullStack, corpus: Path, embedded: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out = tmp_path / "debug"
    path = config_file(corpus, out)
    report = embed(embedding_stack, "--config", path, "--mode", "debug")
    assert report["samples"] == round(sum(ETIOLOGIES.values()) / 10)

    for changes, words in (
        ({"encoder": "whisper-mystery"}, "No encoder 'whisper-mystery'"),
        ({"whisper_modle": "v2"}, "'whisper_modle' is no key"),
    ):
        bad = embedding_stack.earmark(
            "embed", "--config", str(config_file(corpus, tmp_path / "bad", **changes)), check=False
        )
        assert bad.returncode == 1
        assert words in bad.stderr
    assert not (tmp_path / "bad").exists()


def test_a_smaller_sample_does_not_take_the_place_of_a_larger_one(
    embedding_stack: FullStack, embedded: tuple[Path, dict[str, Any]], corpus: Path, tmp_path: Path
) -> None:
    path = config_file(corpus, tmp_path / "both")
    embed(embedding_stack, "--config", path)
    mapping = (tmp_path / "both" / "mapping.json").read_bytes()
    assert refused(embedding_stack, "--config", path, "--mode", "debug")[:2] == (1, "other_embeddings")
    assert (tmp_path / "both" / "mapping.json").read_bytes() == mapping


def test_what_is_missing_is_counted_again_by_a_run_that_imports_nothing(
    embedding_stack: FullStack, corpus: Path, tmp_path: Path
) -> None:
    path = config_file(corpus, tmp_path / "dev")
    config = json.loads(path.read_text())
    config["data_config_override"]["split"] = "Dev"
    path.write_text(json.dumps(config))
    for run in range(2):
        done = embedding_stack.earmark("embed", "--config", str(path), "--json", check=False)
        report = json.loads(done.stdout)
        assert (done.returncode, report["problems"]) == (3, {"missing_file": 1})
        assert (report["imported"] is None) == (run == 1)


def test_a_misspelt_exclusion_is_told(
    embedding_stack: FullStack, embedded: tuple[Path, dict[str, Any]], corpus: Path, tmp_path: Path
) -> None:
    path = config_file(corpus, tmp_path / "als")
    config = json.loads(path.read_text())
    config["data_config_override"]["exclude_impairment"] = "als"
    path.write_text(json.dumps(config))
    status, code, message = refused(embedding_stack, "--config", path)
    assert (status, code) == (1, "bad_config")
    assert "did you mean 'ALS'?" in message
    base = ("-c", "extracted_data", "--encoder", "spectral", "--max", "3", "--exclude", "etiology=als")
    (warning,) = embed(embedding_stack, *base, "--out", tmp_path / "x")["warnings"]
    assert warning.startswith("Nothing had etiology=als: nothing was excluded by it.")
    assert "Nothing had etiology=als" in embedding_stack.earmark("embed", *base, "--out", str(tmp_path / "x")).stderr


def test_while_files_arrive_nothing_is_drawn_but_a_part_or_when_they_are_there(
    embedding_stack: FullStack, embedded: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """The attributes of a corpus come before its files."""
    late = {"path": "Dev/late.wav", "attributes": {"split": "Dev", "late": True}}
    with embedding_stack.api() as http:
        http.put("/v1/collections/extracted_data/attributes", json={"items": [late]}).raise_for_status()
    base = ("-c", "extracted_data", "--encoder", "spectral", "--seed", "7")
    assert refused(embedding_stack, *base, "--out", tmp_path / "a")[1] == "still_arriving"
    embed(embedding_stack, *base, "--partial", "--max", "2", "--out", tmp_path / "b")
    waiting = ("sample", *base[:2], "--wait", "--timeout", "1", "--name", "late", "--json")
    assert json.loads(embedding_stack.earmark(*waiting, check=False).stdout)["error"]["code"] == "timeout"
    (tmp_path / "Dev").mkdir()
    (tmp_path / "Dev" / "late.wav").write_bytes(wav(hz=7_000.0))
    embedding_stack.earmark("ingest", str(tmp_path), "--include", "Dev/late.wav", *base[:2])
    drawn = json.loads(embedding_stack.earmark(*waiting[:4], "--where", "late=true", "--name", "late", "--json").stdout)
    assert drawn["n_recordings"] == 1


def test_recordings_without_a_turn_lead_to_status_3(embedding_stack: FullStack, tmp_path: Path) -> None:
    (tmp_path / "tone.wav").write_bytes(wav(hz=440.0, duration_s=2.0))
    embedding_stack.earmark("ingest", str(tmp_path / "tone.wav"), "-c", "turns", "--segmenter", "vad", "--wait")
    words = ("embed", "-c", "turns", "--encoder", "spectral", "--out", str(tmp_path / "out"))
    done = embedding_stack.earmark(*words, "--json", check=False)
    report = json.loads(done.stdout)
    assert (done.returncode, report["without_segment"], report["samples"]) == (3, 1, 0)
    assert "1 without a segment" in embedding_stack.earmark(*words, check=False).stderr


def test_another_corpus_is_never_taken_for_the_one_that_was_imported(
    embedding_stack: FullStack, tmp_path: Path
) -> None:
    """Its folder has the same name, and so would its collection."""
    other = tmp_path / "extracted_data"
    sap_contributor(other / "Train", "Other-1", 2, "ALS", hz=5_000.0)
    for root, code in ((other, "other_corpus"), (tmp_path / "nowhere" / "extracted_data", "no_corpus")):
        path = config_file(root, tmp_path / "out")
        refused = embedding_stack.earmark("embed", "--config", str(path), "--json", check=False)
        assert (refused.returncode, json.loads(refused.stdout)["error"]["code"]) == (1, code)
    assert not list((tmp_path / "out").rglob("*.npy"))
