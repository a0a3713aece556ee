"""`earmark corpus import` against a real console and a real bucket; no worker runs."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from services.ingest.looking import Looker
from services.launcher.cli.main import run
from tests.integration.console.conftest import OWNER_TOKEN, Served
from tests.support import corpora
from tests.support.corpora import sap_contributor, wav
from tests.support.stack import Servers, s3_client, until

Command = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def earmark(served: Served, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Exit status and document of a command."""
    monkeypatch.setenv("EARMARK_URL", served.url)
    monkeypatch.setenv("EARMARK_TOKEN", OWNER_TOKEN)

    def call(*words: object) -> tuple[int, dict[str, Any]]:
        capfd.readouterr()
        status = run([*(str(word) for word in words), "--json"])
        out = capfd.readouterr().out
        return status, json.loads(out[out.index("{\n") :])

    return call


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Five recordings of two contributors, and a WAV that is missing."""
    sap_contributor(tmp_path / "Train", "0a", 3, hz=300)
    sap_contributor(tmp_path / "Train", "0b", 3, "Stroke", hz=600)
    (tmp_path / "Train" / "0b" / "0b_2_2_16kHz.wav").unlink()
    return tmp_path


def sweep(served: Served) -> int:
    console = served.console
    return Looker(console.database, console.store, ThreadPoolExecutor(2), console.settings).sweep()


def objects(servers: Servers) -> dict[str, Any]:
    return {o.object_name: o.etag for o in s3_client(servers.state).list_objects("audio", recursive=True)}


def attributes(served: Served) -> dict[str, dict[str, Any]]:
    with served.console.database.begin() as tx:
        return {row.key: row.data for row in tx.execute(sa.text("SELECT key, data FROM object_attributes"))}


def test_files_go_up_with_what_is_said_of_them(
    served: Served, servers: Servers, earmark: Command, corpus: Path
) -> None:
    status, report = earmark("corpus", "import", corpus, "-c", "sap", "--kind", "sap")
    assert status == 3  # for the missing one
    assert report["problems"] == {"missing_file": 1}
    assert report["first_problems"][0]["path"] == "Train/0b/0b_2_2_16kHz.wav"
    assert (report["files"], report["sent"], report["standing"], report["statuses"]) == (5, 5, 0, {"uploaded": 5})
    assert set(objects(servers)) == set(attributes(served))
    assert len(objects(servers)) == 5
    data = attributes(served)["sap/Train/0b/0b_1_1_16kHz.wav"]
    assert (data["etiology"], data["transcript"]) == ("Stroke", "said 0b_1_1_16kHz.wav")


def test_what_lies_there_with_the_same_bytes_is_not_sent_again(
    served: Served, servers: Servers, earmark: Command, corpus: Path
) -> None:
    earmark("corpus", "import", corpus, "-c", "sap", "--kind", "sap")
    sweep(served)
    (corpus / "Train" / "0a" / "0a_0_0_16kHz.wav").write_bytes(wav(999))
    _, report = earmark("corpus", "import", corpus, "-c", "sap", "--kind", "sap")
    assert (report["files"], report["sent"], report["standing"], report["attributes_changed"]) == (5, 1, 4, 0)
    assert sweep(served) == 1


def test_only_a_split_and_only_the_first_ones(served: Served, earmark: Command, tmp_path: Path) -> None:
    corpora.speech_commands(tmp_path)
    words = ("corpus", "import", tmp_path, "-c", "words", "--kind", "speech-commands")
    assert earmark(*words, "--split", "testing", "--limit", 3)[1]["files"] == 3
    assert {data["split"] for data in attributes(served).values()} == {"testing"}
    status, report = earmark(*words, "--split", "Testing")
    assert (status, report["error"]["code"]) == (2, "unknown_split")
    assert earmark(*words)[0] == 0
    assert len(attributes(served)) == 9


def test_a_folder_of_another_kind_is_told(earmark: Command, tmp_path: Path) -> None:
    status, report = earmark("corpus", "import", tmp_path, "-c", "c", "--kind", "clotho")
    assert (status, report["error"]["code"]) == (1, "nothing_to_import")


def test_a_split_that_is_not_there_is_named(earmark: Command, corpus: Path) -> None:
    status, report = earmark("corpus", "import", corpus, "-c", "sap", "--kind", "sap", "--split", "Test")
    assert (status, report["error"]["code"]) == (1, "nothing_to_import")
    assert "There is no file of split 'Test' of a corpus of kind 'sap'" in report["error"]["message"]


def test_listings_are_narrowed_by_attributes(served: Served, earmark: Command, corpus: Path) -> None:
    earmark("corpus", "import", corpus, "-c", "sap", "--kind", "sap")
    for kind in ("recordings", "segments"):
        answer = run([kind, "-c", "sap", "--where", "etiology=ALS", "--where", "split=Train", "--json"])
        assert answer == 0
    assert run(["recordings", "-c", "sap", "--where", "etiology", "--json"]) == 2


@pytest.mark.slow
def test_killed_again_and_again_it_ends_with_every_file_once(
    served: Served, servers: Servers, earmark: Command, tmp_path: Path
) -> None:
    for n in range(20):
        sap_contributor(tmp_path / "Train", f"{n:02}", 20, hz=100 + n * 5)
    words = ["corpus", "import", str(tmp_path), "-c", "sap", "--kind", "sap", "--json"]
    environment = os.environ | {"EARMARK_URL": served.url, "EARMARK_TOKEN": OWNER_TOKEN}
    n_killed = 0
    for _ in range(3):
        n_before = len(objects(servers))
        command = [sys.executable, "-m", "services.launcher.cli.main", *words]
        child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda child=child, n=n_before: child.poll() is not None or len(objects(servers)) > n, timeout_s=60)
        child.send_signal(signal.SIGKILL)
        n_killed += child.wait() == -signal.SIGKILL
        sweep(served)
    assert n_killed > 1
    status, report = earmark(*words[:-1])
    assert (status, report["files"], report["sent"] + report["standing"]) == (0, 400, 400)
    assert report["standing"] > 0
    sweep(served)
    assert earmark(*words[:-1])[1]["sent"] == 0
    assert len(objects(servers)) == len(attributes(served)) == 400
