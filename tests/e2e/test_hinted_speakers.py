"""How many speakers a recording has: found out, or said."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import FullStack

pytestmark = pytest.mark.slow


def call(stack: FullStack, *words: object, check: bool = True) -> Any:
    return json.loads(stack.earmark(*map(str, words), "--json", check=check).stdout)


def labels(stack: FullStack, collection: str) -> set[str]:
    with stack.api() as api:
        rows = api.get(f"/v1/collections/{collection}/segments?limit=1000").json()["items"]
    return {row["speaker_label"] for row in rows}


def test_the_speakers_of_a_recording_are_found_out(full_stack: FullStack, demo_audio: Path) -> None:
    call(full_stack, "ingest", demo_audio / "bridge.flac", "-c", "unhinted", "--wait", "--timeout", 120)
    assert labels(full_stack, "unhinted") == {"SPEAKER_00", "SPEAKER_01"}


def test_a_hint_is_heeded_and_kept_with_the_collection(full_stack: FullStack, demo_audio: Path) -> None:
    call(
        full_stack, "ingest", demo_audio / "bridge.flac", "-c", "hinted", "--speakers", "1", "--wait", "--timeout", 120
    )
    assert labels(full_stack, "hinted") == {"SPEAKER_00"}
    assert call(full_stack, "collections", "show", "hinted")["speakers"] == "1"
    other = call(full_stack, "collections", "create", "hinted", "--speakers", "2-3", check=False)
    assert other["error"]["code"] == "collection_differs"


@pytest.mark.parametrize("unclear", ["0", "4-2", "some"])
def test_an_unclear_number_is_refused(full_stack: FullStack, unclear: str) -> None:
    refused = call(full_stack, "collections", "create", f"c{len(unclear)}", "--speakers", unclear, check=False)
    assert refused["error"]["code"] == "unclear_speakers"
