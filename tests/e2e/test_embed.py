"""An extraction config as researchers have it, from a corpus on a disk to its files; killed and resumed."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.sampling import stratified_sample
from tests.support import torchaudio_stub
from tests.support.embed_runs import ETIOLOGIES, N_WANTED, config_file, embed, train_keys
from tests.support.stack import FullStack, until
from tests.support.tiny_whisper import untrained_folder

pytestmark = pytest.mark.slow


def test_a_config_draws_exactly_so_many_in_proportion(embedded: tuple[Path, dict[str, Any]], corpus: Path) -> None:
    out, report = embedded
    mapping = json.loads((out / "mapping.json").read_text())
    expected = stratified_sample(train_keys(corpus), N_WANTED, 42)
    assert (report["recordings"], report["samples"], report["written"], report["kept"]) == (17, 17, 17, 0)
    assert [entry["object_key"] for entry in mapping] == sorted(
        f"extracted_data/{key}" for keys in expected.values() for key in keys
    )
    assert report["imported"]["files"] == sum(ETIOLOGIES.values())


def test_mapping_has_the_form_that_researchers_have(embedded: tuple[Path, dict[str, Any]], corpus: Path) -> None:
    out, _ = embedded
    mapping = json.loads((out / "mapping.json").read_text())
    for entry in mapping:
        wav = Path(entry["wav_path"])
        assert wav.is_file()
        assert (entry["id"], entry["wav_filename"], entry["contributor_id"]) == (wav.name, wav.name, wav.parent.name)
        path = Path(entry["embedding_path"])
        assert path == out / entry["contributor_id"] / f"{wav.name}.npy"
        vector = np.load(path, allow_pickle=False)
        assert (list(vector.shape), vector.dtype) == (entry["shape"], np.float32)
        assert sha256(path.read_bytes()).hexdigest() == entry["sha256"]
        assert (entry["encoder"], bool(entry["revision"])) == ("ge2e", True)
    files = [path for path in out.rglob("*") if path.is_file()]
    assert len(files) == len(mapping) + 1
    assert not list(out.parent.glob(".*"))


def test_what_is_not_drawn_is_not_embedded(embedding_stack: FullStack, embedded: tuple[Path, dict[str, Any]]) -> None:
    rows = embedding_stack.sql("""SELECT e.name, count(*) FROM embedding JOIN encoder e USING (encoder_id)
                            WHERE collection = 'extracted_data' GROUP BY 1""")
    assert dict(rows) == {"spectral": sum(ETIOLOGIES.values()), "ge2e": N_WANTED}


def test_done_again_it_keeps_every_file(
    embedding_stack: FullStack, corpus: Path, embedded: tuple[Path, dict[str, Any]]
) -> None:
    out, _ = embedded
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.npy")}
    mapping = (out / "mapping.json").read_bytes()
    report = embed(embedding_stack, "--config", out.with_suffix(".json"))
    assert (report["written"], report["kept"], report["imported"]) == (0, 17, None)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.npy")} == before
    assert (out / "mapping.json").read_bytes() == mapping


def test_killed_at_any_moment_it_goes_on_to_the_same_mapping(
    embedding_stack: FullStack, corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    path = config_file(corpus, out)
    words = [sys.executable, "-m", "services.launcher.cli.main", "embed", "--config", str(path), "-c", "again"]
    environment = os.environ | {"EARMARK_URL": embedding_stack.url, "EARMARK_TOKEN": embedding_stack.token}

    def recordings() -> int:
        return embedding_stack.sql("SELECT count(*) FROM recording WHERE collection = 'again'")[0][0]

    def killed_when(moment: Callable[[], bool]) -> None:
        process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: moment() or process.poll() is not None, timeout_s=120, every_s=0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()

    killed_when(lambda: recordings() > 3)
    killed_when(lambda: any(out.rglob("*.npy")))
    killed_when(lambda: len(list(out.rglob("*.npy"))) > 5)
    report = embed(embedding_stack, "--config", path, "-c", "again")
    assert report["samples"] == N_WANTED
    assert Counter(file.suffix for file in out.rglob("*") if file.is_file()) == {".npy": N_WANTED, ".json": 1}
    resumed = (out / "mapping.json").read_bytes()

    for file in out.rglob("*.npy"):
        file.unlink()
    (out / "mapping.json").unlink()
    assert embed(embedding_stack, "--config", path, "-c", "again")["written"] == N_WANTED
    assert (out / "mapping.json").read_bytes() == resumed
    assert len({entry["segment_id"] for entry in json.loads(resumed)}) == N_WANTED


def test_a_half_written_file_is_written_again_and_another_encoders_is_not_touched(
    embedding_stack: FullStack, corpus: Path, embedded: tuple[Path, dict[str, Any]]
) -> None:
    out, _ = embedded
    files = sorted(out.rglob("*.npy"))
    whole = files[0].read_bytes()
    files[0].write_bytes(whole[:-100])
    config = out.with_suffix(".json")
    assert embed(embedding_stack, "--config", config)["written"] == 1
    assert files[0].read_bytes() == whole

    np.save(files[1], np.zeros((1500, 1280), np.float16))
    theirs = files[1].read_bytes()
    refused = embedding_stack.earmark("embed", "--config", str(config), "--json", check=False)
    assert (refused.returncode, json.loads(refused.stdout)["error"]["code"]) == (1, "other_embeddings")
    assert files[1].read_bytes() == theirs

    config.write_text(json.dumps(json.loads(config.read_text()) | {"overwrite": True}))
    assert embed(embedding_stack, "--config", config)["written"] == N_WANTED
    assert files[1].read_bytes() != theirs


def test_one_line_does_for_a_collection_that_is_there(
    embedding_stack: FullStack, embedded: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    base = ("-c", "extracted_data", "--encoder", "spectral", "--where", "split=Train")
    every = embed(embedding_stack, *base, "--percent", "100", "--out", tmp_path / "all")
    random = embed(embedding_stack, *base, "--max", "9", "--out", tmp_path / "random")
    by = embed(
        embedding_stack, *base, "--max", "9", "--by", "etiology", "--exclude", "etiology=ALS", "--out", tmp_path / "by"
    )
    assert [report["samples"] for report in (every, random, by)] == [sum(ETIOLOGIES.values()), 9, 9]


def test_a_sample_is_shown_by_stratum_and_used_by_its_name(
    embedding_stack: FullStack, embedded: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    base = ("-c", "extracted_data")
    drawn = embedding_stack.earmark(
        "sample", *base, "--max", "9", "--by", "etiology", "--exclude", "split=Dev", "--name", "nine"
    )
    lines = [line.split() for line in drawn.stdout.splitlines()]
    assert lines[0] == ["9", "recordings", "in", "subset", "nine"]
    assert ["ALS", "10", "3", "3", "small"] in lines
    again = json.loads(embedding_stack.earmark("subsets", "show", "nine", *base, "--json").stdout)
    assert len(again["recordings"]) == again["n_recordings"] == 9
    assert "nine" in embedding_stack.earmark("subsets", "list", *base).stdout

    embedding_stack.earmark("backfill", *base, "--encoder", "ge2e", "--subset", "nine", "--wait")
    folder = tmp_path / "nine"
    embedding_stack.earmark(
        "export", "embeddings", *base, "--encoder", "ge2e", "--subset", "nine", "--out", str(folder)
    )
    index = [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]
    assert {line["object_key"] for line in index} == {member["object_key"] for member in again["recordings"]}
    assert {line["attributes"]["split"] for line in index} == {"Train"}
    embedding_stack.earmark("subsets", "delete", "nine", *base)
    gone = embedding_stack.earmark("subsets", "show", "nine", *base, "--json", check=False)
    assert (gone.returncode, json.loads(gone.stdout)["error"]["code"]) == (1, "unknown_subset")


def test_a_whisper_of_the_config_gives_the_frames_that_the_scripts_gave(
    embedding_stack: FullStack, corpus: Path, tmp_path: Path
) -> None:
    """`v2` is what the encoder `whisper-large-v2` is; here a small one, untrained."""
    torchaudio_stub.install()
    model = untrained_folder(tmp_path / "model")
    added = ("--family", "whisper", "--model", str(model), "--pooling", "none", "--window", "padded", "--wait")
    embedding_stack.earmark("encoders", "add", "whisper-large-v2", *added, "--frames", "float32")
    out = tmp_path / "frames"
    path = config_file(corpus, out)
    config = json.loads(path.read_text())
    config["data_config_override"]["max_samples"] = 3
    del config["encoder"]
    config["whisper_model"] = "v2"
    path.write_text(json.dumps(config))
    assert embed(embedding_stack, "--config", path)["written"] == 3
    for entry in json.loads((out / "mapping.json").read_text()):
        frames = np.load(entry["embedding_path"], allow_pickle=False)
        assert (frames.shape, frames.dtype, entry["shape"]) == ((1500, 32), np.float32, [1500, 32])
        assert sha256(Path(entry["embedding_path"]).read_bytes()).hexdigest() == entry["sha256"]
    assert embed(embedding_stack, "--config", path)["kept"] == 3
