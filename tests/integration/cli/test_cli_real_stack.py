"""The command against everything that `earmark up` starts."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import FullStack

pytestmark = pytest.mark.slow
COLLECTION = "cli-real"


def call(stack: FullStack, *words: object) -> Any:
    return json.loads(stack.earmark(*map(str, words), "--json").stdout)


@pytest.fixture(scope="module")
def report(full_stack: FullStack, demo_audio: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What `earmark ingest --wait` says of the demo's recordings and a text."""
    folder = tmp_path_factory.mktemp("in")
    inside = folder / "Chöre & Brücken #1"
    shutil.copytree(demo_audio, inside)
    (inside / "README.md").rename(inside / "README.bin")  # as a text it would stay where it is
    done = full_stack.earmark(
        "ingest", str(folder), "-c", COLLECTION, "--wait", "--timeout", "120", "--json", check=False
    )
    assert done.returncode == 3, done.stderr
    return json.loads(done.stdout)


def test_recordings_become_ready_and_a_text_is_rejected(report: Any) -> None:
    statuses = {Path(row["object_key"]).name: row["status"] for row in report["files"]}
    assert statuses == {
        "bridge.flac": "ready",
        "choir.flac": "ready",
        "orchard.flac": "ready",
        "README.bin": "rejected",
    }
    assert all(row["segments"] for row in report["files"] if row["status"] == "ready")


def test_a_label_spreads_over_the_files(full_stack: FullStack, report: Any, tmp_path: Path) -> None:
    assert report
    assert call(full_stack, "cluster", "-c", COLLECTION, "--wait")["clusters"] >= 4
    first = next(row for row in call(full_stack, "segments", "-c", COLLECTION) if "bridge" in row["object_key"])
    assert call(full_stack, "label", "--segment", first["segment_id"], "Marta", "--wait")["propagated"] > 0
    full_stack.earmark("export", "segments", "-c", COLLECTION, "--out", str(tmp_path / "s.jsonl"))
    rows = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert {Path(row["object_key"]).name for row in rows if row["speaker"] == "Marta"} == {
        "bridge.flac",
        "choir.flac",
        "orchard.flac",
    }


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("collections", "list"),
        ("collections", "show", COLLECTION),
        ("recordings", "-c", COLLECTION),
        ("clusters", "-c", COLLECTION),
        ("labels", "log", "-c", COLLECTION),
        ("speakers", "list"),
        ("encoders", "list"),
        ("segmenters", "list"),
        ("dead", "list"),
        ("dead", "requeue", "--code", "no_such_code"),
        ("events",),
        ("tokens", "create", "cli-test", "--scope", "read", "--collection", COLLECTION, "--expires", "30d"),
        ("tokens", "list"),
        ("tokens", "revoke", "cli-test"),
        ("audit", "-c", COLLECTION, "--since", "7d"),
    ],
)
def test_the_api_answers_as_the_command_expects(full_stack: FullStack, report: Any, words: tuple[str, ...]) -> None:
    assert report
    assert isinstance(call(full_stack, *words), dict | list)


@pytest.mark.parametrize(("kind", "options"), [("embeddings", ("--encoder", "ge2e")), ("rttm", ("--by", "cluster"))])
def test_folders_are_exported(
    full_stack: FullStack, report: Any, tmp_path: Path, kind: str, options: tuple[str, ...]
) -> None:
    assert report
    assert call(full_stack, "export", kind, "-c", COLLECTION, *options, "--out", tmp_path / "out")["files"] == 3
    assert len(list((tmp_path / "out").iterdir())) == 3
