"""A file that replaces another of its name: what was said of the other waits for its bytes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.clips import cut_up
from tests.support.stack import FullStack

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
