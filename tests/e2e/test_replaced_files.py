"""A file that is put where one lay: another one, whose names wait for its bytes, or the same one once more."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.clips import cut_up
from tests.support.stack import FullStack, until

pytestmark = pytest.mark.slow
NAME = "replaced"


def ingest(stack: FullStack, folder: Path, content: Path, name: str) -> str:
    """What is said on stderr."""
    folder.mkdir()
    (folder / name).write_bytes(content.read_bytes())
    options = ("--segmenter", "whole", "--encoder", "spectral", "--wait")
    return stack.earmark("ingest", str(folder), "-c", NAME, *options).stderr


def names(stack: FullStack) -> dict[str, str | None]:
    """Who speaks under each key."""
    rows: list[dict[str, Any]] = json.loads(stack.earmark("segments", "-c", NAME, "--json").stdout)
    return {row["object_key"]: row["speaker"] for row in rows}


def test_what_was_said_comes_back_with_the_bytes_under_whatever_name(
    full_stack: FullStack, demo_audio: Path, tmp_path: Path
) -> None:
    first, second = cut_up(sorted(demo_audio.glob("*.flac")), tmp_path / "clips", 2)
    assert "replaced" not in ingest(full_stack, tmp_path / "a", first, "x.flac")
    (row,) = json.loads(full_stack.earmark("segments", "-c", NAME, "--json").stdout)
    full_stack.earmark("label", "Wangari", "--segment", row["segment_id"], "--wait")
    said = ingest(full_stack, tmp_path / "b", second, "x.flac")
    assert f"1 file replaced another of that name ({NAME}/x.flac)." in said
    assert names(full_stack)[f"{NAME}/x.flac"] != "Wangari"
    assert "replaced" not in ingest(full_stack, tmp_path / "c", first, "y.flac")
    assert names(full_stack)[f"{NAME}/y.flac"] == "Wangari"


def test_what_became_of_the_same_bytes_before_is_not_told_of_them_now(
    full_stack: FullStack, demo_audio: Path, tmp_path: Path
) -> None:
    name = "once-more"
    options = ("-c", name, "--segmenter", "whole", "--encoder", "spectral", "--wait", "--json")
    first, second = cut_up(sorted(demo_audio.glob("*.flac")), tmp_path / "clips", 2)
    with tarfile.open(tmp_path / "day.tar", "w") as tar:
        tar.add(first, "a.flac")
        tar.add(second, "b.flac")

    def ingested(source: Path) -> dict[str, str]:
        done = json.loads(full_stack.earmark("ingest", str(source), *options, check=False).stdout)
        return {file["object_key"]: file["status"] for file in done["files"]}

    archive, member = f"{name}/day.tar", f"{name}/day/a.flac"
    assert ingested(tmp_path / "day.tar") == {archive: "unpacked", member: "ready", f"{name}/day/b.flac": "ready"}
    erased = json.loads(full_stack.earmark("recordings", "erase", "--key", member, "-c", name, "--json").stdout)
    (receipt,) = erased["receipts"]
    until(lambda: receipt_of(full_stack, receipt["receipt_id"])["finished_at"])
    # Not what the first unpacking came to: this one refuses a member.
    again = ingested(tmp_path / "day.tar")
    assert again == {archive: "unpacked", f"{archive}!a.flac": "rejected", f"{name}/day/b.flac": "ready"}
    (tmp_path / "a.flac").write_bytes(first.read_bytes())
    assert ingested(tmp_path / "a.flac") == {f"{name}/a.flac": "rejected"}
    full_stack.earmark("recordings", "unerase", *erased["recordings"], "-c", name)
    assert ingested(tmp_path / "a.flac") == {f"{name}/a.flac": "ready"}


def receipt_of(stack: FullStack, receipt_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stack.earmark("receipts", receipt_id, "--json").stdout)
    return found
