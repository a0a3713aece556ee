"""Two encoders are compared on a collection's labels, the other one names, and everything comes back as it was."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import boto3_put
from tests.support.stack import FullStack

pytestmark = pytest.mark.slow
COLLECTION, FILES = "encoder-switch", ("bridge.flac", "choir.flac", "orchard.flac")
NAMED_BY = ("segment_id", "speaker", "assigned_by", "confidence", "suggestion")


def command(stack: FullStack, *words: str) -> Any:
    return json.loads(stack.earmark(*words, "--json").stdout)


def named(stack: FullStack) -> list[tuple[Any, ...]]:
    rows = command(stack, "segments", "-c", COLLECTION)
    return sorted(tuple(row[part] for part in NAMED_BY) for row in rows)


@pytest.fixture(scope="module")
def stack(full_stack: FullStack, demo_audio: Path) -> FullStack:
    """Three conversations by `ge2e`, clustered, two segments named of each of the two largest voices."""
    command(full_stack, "collections", "create", COLLECTION, "--encoder", "ge2e")
    for name in FILES:
        boto3_put(full_stack.state, demo_audio / name, f"{COLLECTION}/{name}")
    full_stack.settled(COLLECTION, len(FILES))
    command(full_stack, "cluster", "-c", COLLECTION, "--wait")
    for speaker, cluster in zip(("Ada", "Bea"), command(full_stack, "clusters", "-c", COLLECTION), strict=False):
        rows = command(full_stack, "segments", "-c", COLLECTION)
        own = [row["segment_id"] for row in rows if row["cluster_id"] == cluster["cluster_id"]]
        for segment_id in own[:2]:
            command(full_stack, "label", "--segment", segment_id, speaker, "--wait")
    full_stack.idle()
    return full_stack


def test_a_comparison_before_there_are_vectors_says_so(stack: FullStack) -> None:
    result = stack.earmark("encoders", "compare", "ge2e", "spectral", "-c", COLLECTION, "--json", check=False)
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "too_few_labels"
    assert f"earmark backfill -c {COLLECTION} --encoder spectral --wait" in error["message"]


def test_it_switches_and_comes_back(stack: FullStack, tmp_path: Path) -> None:
    before = named(stack)
    switched = command(stack, "collections", "switch", "-c", COLLECTION, "--encoder", "spectral", "--wait")
    assert (switched["state"], switched["before"]) == ("done", "ge2e")
    assert switched["done"] == switched["wanted"] > 0
    assert command(stack, "collections", "show", COLLECTION)["encoders"] == ["spectral", "ge2e"]
    stack.idle()
    after = named(stack)
    again = command(stack, "collections", "switch", "-c", COLLECTION, "--encoder", "spectral", "--wait")
    assert again["switch_id"] == switched["switch_id"]

    undone = command(stack, "labels", "undo", switched["label_id"], "--wait")
    stack.idle()
    assert named(stack) == before
    assert undone["changed"] == switched["changed"]

    found = command(stack, "encoders", "compare", "ge2e", "spectral", "-c", COLLECTION, "--out", str(tmp_path / "out"))
    assert [one["encoder"] for one in found["encoders"]] == ["ge2e", "spectral"]
    assert all(one["cost_s_per_hour"] > 0 for one in found["encoders"])
    assert {change["segment_id"]: change["then"] for change in found["changes"]} == {
        now[0]: now[1] for now, was in zip(after, before, strict=True) if now[1] != was[1]
    }
    assert (tmp_path / "out" / "comparison.svg").read_text().startswith("<svg")
    assert named(stack) == before

    back = command(stack, "labels", "undo", undone["label_id"], "--wait")
    stack.idle()
    assert named(stack) == after
    command(stack, "labels", "undo", back["label_id"], "--wait")
    stack.idle()
    assert named(stack) == before
