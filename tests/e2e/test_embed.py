"""An extraction config as researchers have it, from a corpus on a disk to its files; killed and resumed."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.sampling import stratified_sample
from tests.support import torchaudio_stub
from tests.support.corpora import sap_contributor, wav
from tests.support.stack import FullStack, open_folder, running_stack, until
from tests.support.tiny_whisper import untrained_folder

pytestmark = pytest.mark.slow
ETIOLOGIES = {"Parkinson's Disease": 12, "ALS": 10, "Cerebral Palsy": 7, "Down Syndrome": 4, "Stroke": 2}
N_WANTED = 17


@pytest.fixture(scope="module")
def own_stack() -> Iterator[FullStack]:
    """A stack of its own: other tests count its recordings."""
    with open_folder() as folder:
        yield from running_stack(folder)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train and Dev in SAP's shape, a missing WAV and a folder without JSON among them."""
    root = tmp_path_factory.mktemp("sap") / "extracted_data"
    hz = 200.0
    for split, share in (("Train", 1), ("Dev", 3)):
        for etiology, n_wavs in ETIOLOGIES.items():
            for part, n in enumerate((n_wavs // share // 2, n_wavs // share - n_wavs // share // 2)):
                if n:
                    sap_contributor(root / split, f"{split}-{etiology[:2]}-{part}", n, etiology, hz=hz)
                    hz += 200
    (root / "Train" / "SpeechAccessibility_2025-11-02_000").mkdir()
    next((root / "Dev").rglob("*.wav")).unlink()
    return root


def config_file(corpus: Path, out: Path, **changes: Any) -> Path:
    data = {
        "dataset_root": str(corpus),
        "split": "Train",
        "percent": 100,
        "sampling": "stratified",
        "seed": 42,
        "max_samples": N_WANTED,
        "modes": {"debug": {"percent": 10, "max_samples": None, "sampling": "random"}},
    }
    whole = {
        "data_config_path": "Config/dataloader_config.json",
        "data_mode": "default",
        "data_config_override": data,
        "whisper_model": "v2",
        "output_dir": str(out),
        "mapping_path": str(out / "mapping.json"),
        "overwrite": False,
        "encoder": "ge2e",
    }
    path = out.with_suffix(".json")
    path.write_text(json.dumps(whole | changes))
    return path


def embed(stack: FullStack, *words: str | Path) -> dict[str, Any]:
    done = stack.earmark("embed", *map(str, words), "--json", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def train_keys(corpus: Path) -> dict[str, list[str]]:
    strata: dict[str, list[str]] = {etiology: [] for etiology in ETIOLOGIES}
    for path in (corpus / "Train").rglob("*.wav"):
        metadata = json.loads((path.parent / f"{path.parent.name}.json").read_text())
        strata[metadata["Etiology"]].append(path.relative_to(corpus).as_posix())
    return strata


@pytest.fixture(scope="module")
def embedded(
    own_stack: FullStack, corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """The config carried out once: where its files are, and what the command said."""
    out = tmp_path_factory.mktemp("embeddings") / "ge2e"
    return out, embed(own_stack, "--config", config_file(corpus, out))


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


def test_what_is_not_drawn_is_not_embedded(own_stack: FullStack, embedded: tuple[Path, dict[str, Any]]) -> None:
    rows = own_stack.sql("""SELECT e.name, count(*) FROM embedding JOIN encoder e USING (encoder_id)
                            WHERE collection = 'extracted_data' GROUP BY 1""")
    assert dict(rows) == {"spectral": sum(ETIOLOGIES.values()), "ge2e": N_WANTED}


def test_done_again_it_keeps_every_file(
    own_stack: FullStack, corpus: Path, embedded: tuple[Path, dict[str, Any]]
) -> None:
    out, _ = embedded
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.npy")}
    mapping = (out / "mapping.json").read_bytes()
    report = embed(own_stack, "--config", out.with_suffix(".json"))
    assert (report["written"], report["kept"], report["imported"]) == (0, 17, None)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.npy")} == before
    assert (out / "mapping.json").read_bytes() == mapping


def test_killed_at_any_moment_it_goes_on_to_the_same_mapping(
    own_stack: FullStack, corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    path = config_file(corpus, out)
    words = [sys.executable, "-m", "services.launcher.cli.main", "embed", "--config", str(path), "-c", "again"]
    environment = os.environ | {"EARMARK_URL": own_stack.url, "EARMARK_TOKEN": own_stack.token}

    def recordings() -> int:
        return own_stack.sql("SELECT count(*) FROM recording WHERE collection = 'again'")[0][0]

    def killed_when(moment: Callable[[], bool]) -> None:
        process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: moment() or process.poll() is not None, timeout_s=120, every_s=0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()

    killed_when(lambda: recordings() > 3)
    killed_when(lambda: any(out.rglob("*.npy")))
    killed_when(lambda: len(list(out.rglob("*.npy"))) > 5)
    report = embed(own_stack, "--config", path, "-c", "again")
    assert report["samples"] == N_WANTED
    assert Counter(file.suffix for file in out.rglob("*") if file.is_file()) == {".npy": N_WANTED, ".json": 1}
    resumed = (out / "mapping.json").read_bytes()

    for file in out.rglob("*.npy"):
        file.unlink()
    (out / "mapping.json").unlink()
    assert embed(own_stack, "--config", path, "-c", "again")["written"] == N_WANTED
    assert (out / "mapping.json").read_bytes() == resumed
    assert len({entry["segment_id"] for entry in json.loads(resumed)}) == N_WANTED


def test_a_half_written_file_is_written_again_and_another_encoders_is_not_touched(
    own_stack: FullStack, corpus: Path, embedded: tuple[Path, dict[str, Any]]
) -> None:
    out, _ = embedded
    files = sorted(out.rglob("*.npy"))
    whole = files[0].read_bytes()
    files[0].write_bytes(whole[:-100])
    config = out.with_suffix(".json")
    assert embed(own_stack, "--config", config)["written"] == 1
    assert files[0].read_bytes() == whole

    np.save(files[1], np.zeros((1500, 1280), np.float16))
    theirs = files[1].read_bytes()
    refused = own_stack.earmark("embed", "--config", str(config), "--json", check=False)
    assert (refused.returncode, json.loads(refused.stdout)["error"]["code"]) == (1, "other_embeddings")
    assert files[1].read_bytes() == theirs

    config.write_text(json.dumps(json.loads(config.read_text()) | {"overwrite": True}))
    assert embed(own_stack, "--config", config)["written"] == N_WANTED
    assert files[1].read_bytes() != theirs


def test_one_line_does_for_a_collection_that_is_there(
    own_stack: FullStack, embedded: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    base = ("-c", "extracted_data", "--encoder", "spectral", "--where", "split=Train")
    every = embed(own_stack, *base, "--percent", "100", "--out", tmp_path / "all")
    random = embed(own_stack, *base, "--max", "9", "--out", tmp_path / "random")
    by = embed(
        own_stack, *base, "--max", "9", "--by", "etiology", "--exclude", "etiology=ALS", "--out", tmp_path / "by"
    )
    assert [report["samples"] for report in (every, random, by)] == [sum(ETIOLOGIES.values()), 9, 9]


def test_a_mode_replaces_keys_and_a_bad_config_does_nothing(
    own_stack: FullStack, corpus: Path, embedded: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out = tmp_path / "debug"
    path = config_file(corpus, out)
    report = embed(own_stack, "--config", path, "--mode", "debug")
    assert report["samples"] == round(sum(ETIOLOGIES.values()) / 10)

    for changes, words in (
        ({"encoder": "whisper-mystery"}, "No encoder 'whisper-mystery'"),
        ({"whisper_modle": "v2"}, "'whisper_modle' is no key"),
    ):
        bad = own_stack.earmark("embed", "--config", str(config_file(corpus, tmp_path / "bad", **changes)), check=False)
        assert bad.returncode == 1
        assert words in bad.stderr
    assert not (tmp_path / "bad").exists()


def refused(stack: FullStack, *words: str | Path) -> tuple[int, str, str]:
    done = stack.earmark("embed", *map(str, words), "--json", check=False)
    error = json.loads(done.stdout)["error"]
    return done.returncode, error["code"], error["message"]


def test_a_smaller_sample_does_not_take_the_place_of_a_larger_one(
    own_stack: FullStack, embedded: tuple[Path, dict[str, Any]], corpus: Path, tmp_path: Path
) -> None:
    path = config_file(corpus, tmp_path / "both")
    embed(own_stack, "--config", path)
    mapping = (tmp_path / "both" / "mapping.json").read_bytes()
    assert refused(own_stack, "--config", path, "--mode", "debug")[:2] == (1, "other_embeddings")
    assert (tmp_path / "both" / "mapping.json").read_bytes() == mapping


def test_what_is_missing_is_counted_again_by_a_run_that_imports_nothing(
    own_stack: FullStack, corpus: Path, tmp_path: Path
) -> None:
    path = config_file(corpus, tmp_path / "dev")
    config = json.loads(path.read_text())
    config["data_config_override"]["split"] = "Dev"
    path.write_text(json.dumps(config))
    for run in range(2):
        done = own_stack.earmark("embed", "--config", str(path), "--json", check=False)
        report = json.loads(done.stdout)
        assert (done.returncode, report["problems"]) == (3, {"missing_file": 1})
        assert (report["imported"] is None) == (run == 1)


def test_a_misspelt_exclusion_is_told(
    own_stack: FullStack, embedded: tuple[Path, dict[str, Any]], corpus: Path, tmp_path: Path
) -> None:
    path = config_file(corpus, tmp_path / "als")
    config = json.loads(path.read_text())
    config["data_config_override"]["exclude_impairment"] = "als"
    path.write_text(json.dumps(config))
    status, code, message = refused(own_stack, "--config", path)
    assert (status, code) == (1, "bad_config")
    assert "did you mean 'ALS'?" in message
    base = ("-c", "extracted_data", "--encoder", "spectral", "--max", "3", "--exclude", "etiology=als")
    (warning,) = embed(own_stack, *base, "--out", tmp_path / "x")["warnings"]
    assert warning.startswith("Nothing had etiology=als: nothing was excluded by it.")
    assert "Nothing had etiology=als" in own_stack.earmark("embed", *base, "--out", str(tmp_path / "x")).stderr


def test_while_files_arrive_nothing_is_drawn_but_a_part_or_when_they_are_there(
    own_stack: FullStack, embedded: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """The attributes of a corpus come before its files."""
    late = {"path": "Dev/late.wav", "attributes": {"split": "Dev", "late": True}}
    with own_stack.api() as http:
        http.put("/v1/collections/extracted_data/attributes", json={"items": [late]}).raise_for_status()
    base = ("-c", "extracted_data", "--encoder", "spectral", "--seed", "7")
    assert refused(own_stack, *base, "--out", tmp_path / "a")[1] == "still_arriving"
    embed(own_stack, *base, "--partial", "--max", "2", "--out", tmp_path / "b")
    waiting = ("sample", *base[:2], "--wait", "--timeout", "1", "--name", "late", "--json")
    assert json.loads(own_stack.earmark(*waiting, check=False).stdout)["error"]["code"] == "timeout"
    (tmp_path / "Dev").mkdir()
    (tmp_path / "Dev" / "late.wav").write_bytes(wav(hz=7_000.0))
    own_stack.earmark("ingest", str(tmp_path), "--include", "Dev/late.wav", *base[:2])
    drawn = json.loads(own_stack.earmark(*waiting[:4], "--where", "late=true", "--name", "late", "--json").stdout)
    assert drawn["n_recordings"] == 1


def test_recordings_without_a_turn_lead_to_status_3(own_stack: FullStack, tmp_path: Path) -> None:
    (tmp_path / "tone.wav").write_bytes(wav(hz=440.0, duration_s=2.0))
    own_stack.earmark("ingest", str(tmp_path / "tone.wav"), "-c", "turns", "--segmenter", "vad", "--wait")
    words = ("embed", "-c", "turns", "--encoder", "spectral", "--out", str(tmp_path / "out"))
    done = own_stack.earmark(*words, "--json", check=False)
    report = json.loads(done.stdout)
    assert (done.returncode, report["without_segment"], report["samples"]) == (3, 1, 0)
    assert "1 without a segment" in own_stack.earmark(*words, check=False).stderr


def test_a_sample_is_shown_by_stratum_and_used_by_its_name(
    own_stack: FullStack, embedded: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    base = ("-c", "extracted_data")
    drawn = own_stack.earmark(
        "sample", *base, "--max", "9", "--by", "etiology", "--exclude", "split=Dev", "--name", "nine"
    )
    lines = [line.split() for line in drawn.stdout.splitlines()]
    assert lines[0] == ["9", "recordings", "in", "subset", "nine"]
    assert ["ALS", "10", "3", "3", "small"] in lines
    again = json.loads(own_stack.earmark("subsets", "show", "nine", *base, "--json").stdout)
    assert len(again["recordings"]) == again["n_recordings"] == 9
    assert "nine" in own_stack.earmark("subsets", "list", *base).stdout

    own_stack.earmark("backfill", *base, "--encoder", "ge2e", "--subset", "nine", "--wait")
    folder = tmp_path / "nine"
    own_stack.earmark("export", "embeddings", *base, "--encoder", "ge2e", "--subset", "nine", "--out", str(folder))
    index = [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]
    assert {line["object_key"] for line in index} == {member["object_key"] for member in again["recordings"]}
    assert {line["attributes"]["split"] for line in index} == {"Train"}
    own_stack.earmark("subsets", "delete", "nine", *base)
    gone = own_stack.earmark("subsets", "show", "nine", *base, "--json", check=False)
    assert (gone.returncode, json.loads(gone.stdout)["error"]["code"]) == (1, "unknown_subset")


def test_a_whisper_of_the_config_gives_the_frames_that_the_scripts_gave(
    own_stack: FullStack, corpus: Path, tmp_path: Path
) -> None:
    """`v2` is what the encoder `whisper-large-v2` is; here a small one, untrained."""
    torchaudio_stub.install()
    model = untrained_folder(tmp_path / "model")
    added = ("--family", "whisper", "--model", str(model), "--pooling", "none", "--window", "padded", "--wait")
    own_stack.earmark("encoders", "add", "whisper-large-v2", *added, "--frames", "float32")
    out = tmp_path / "frames"
    path = config_file(corpus, out)
    config = json.loads(path.read_text())
    config["data_config_override"]["max_samples"] = 3
    del config["encoder"]
    path.write_text(json.dumps(config))
    assert embed(own_stack, "--config", path)["written"] == 3
    for entry in json.loads((out / "mapping.json").read_text()):
        frames = np.load(entry["embedding_path"], allow_pickle=False)
        assert (frames.shape, frames.dtype, entry["shape"]) == ((1500, 32), np.float32, [1500, 32])
        assert sha256(Path(entry["embedding_path"]).read_bytes()).hexdigest() == entry["sha256"]
    assert embed(own_stack, "--config", path)["kept"] == 3


def test_another_corpus_is_never_taken_for_the_one_that_was_imported(own_stack: FullStack, tmp_path: Path) -> None:
    """Its folder has the same name, and so would its collection."""
    other = tmp_path / "extracted_data"
    sap_contributor(other / "Train", "Other-1", 2, "ALS", hz=5_000.0)
    for root, code in ((other, "other_corpus"), (tmp_path / "nowhere" / "extracted_data", "no_corpus")):
        path = config_file(root, tmp_path / "out")
        refused = own_stack.earmark("embed", "--config", str(path), "--json", check=False)
        assert (refused.returncode, json.loads(refused.stdout)["error"]["code"]) == (1, code)
    assert not list((tmp_path / "out").rglob("*.npy"))
