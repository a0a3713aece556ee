"""What comes later: another encoder for what is there, with the embedder killed on the way, and a split by hand."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.clips import cut_up
from tests.support.processes import kill_program
from tests.support.stack import FullStack, open_folder, running_stack, until

pytestmark = pytest.mark.slow
TALKS, CLIPS, N_CLIPS = "talks", "clips", 300


@pytest.fixture(scope="module")
def own_stack() -> Iterator[FullStack]:
    """A stack of its own: what is killed here must not disturb other tests."""
    with open_folder() as folder:
        yield from running_stack(folder)


def command(stack: FullStack, *words: str) -> Any:
    return json.loads(stack.earmark(*words, "--json").stdout)


def vectors(stack: FullStack, collection: str, encoder: str, folder: Path) -> dict[str, np.ndarray]:
    stack.earmark("export", "embeddings", "-c", collection, "--encoder", encoder, "--out", str(folder / encoder))
    rows = np.load(folder / encoder / "embeddings.npy", allow_pickle=False)
    index = [json.loads(line) for line in (folder / encoder / "index.jsonl").read_text().splitlines()]
    return {line["segment_id"]: row for line, row in zip(index, rows, strict=True)}


def times_embedded(stack: FullStack, collection: str, encoder: str) -> Counter[str]:
    """How often each segment's vector was announced."""
    rows = stack.sql(
        """SELECT jsonb_array_elements_text(data->'segment_ids') FROM event
           WHERE type = 'io.earmark.segments.embedded.v1' AND data->>'collection' = %s AND data->>'encoder' = %s""",
        collection,
        encoder,
    )
    return Counter(segment_id for (segment_id,) in rows)


@pytest.fixture(scope="module")
def talks(own_stack: FullStack, demo_audio: Path) -> FullStack:
    """The demo's conversations by GE2E, with one voice named, and by `spectral` afterwards."""
    files = sorted(demo_audio.glob("*.flac"))
    own_stack.collection(TALKS, encoders=["ge2e"])
    for path in files:
        own_stack.put(path, f"{TALKS}/{path.name}")
    own_stack.settled(TALKS, len(files))
    command(own_stack, "cluster", "-c", TALKS, "--wait")
    done = command(own_stack, "backfill", "-c", TALKS, "--encoder", "spectral", "--wait", "--timeout", "120")
    assert (done["state"], done["done"], done["added"]) == ("done", done["wanted"], True)
    own_stack.idle()
    return own_stack


def test_a_second_encoder_embeds_every_segment_that_is_there(talks: FullStack, tmp_path: Path) -> None:
    by_ge2e, by_spectral = (vectors(talks, TALKS, name, tmp_path) for name in ("ge2e", "spectral"))
    assert set(by_spectral) == set(by_ge2e) != set()
    assert {row.shape for row in by_spectral.values()} == {(64,)}


def test_a_killed_embedder_costs_a_backfill_nothing(
    own_stack: FullStack, demo_audio: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("clips")
    own_stack.collection(CLIPS, segmenter="whole", encoders=["spectral"])
    for n, path in enumerate(cut_up(list(demo_audio.glob("*.flac")), folder, N_CLIPS)):
        own_stack.put(path, f"{CLIPS}/{n}.flac")
    own_stack.settled(CLIPS, N_CLIPS)
    own_stack.idle()
    with own_stack.api() as api:
        answer = api.post(f"/v1/collections/{CLIPS}/backfills", json={"encoder": "ge2e"}).raise_for_status()
        path = f"/v1/backfills/{answer.json()['backfill_id']}"
        until(lambda: api.get(path).json()["done"] > 20, timeout_s=60, every_s=0.02)
        kill_program(own_stack.data_dir, "embedder")
        at_the_kill = api.get(path).json()
        assert (at_the_kill["state"], at_the_kill["done"] < N_CLIPS) == ("embedding", True)
        until(lambda: api.get(path).json()["state"] == "done", timeout_s=120)
        end = api.get(path).json()
    own_stack.idle()

    assert (end["wanted"], end["done"], end["without_voice"], end["unreadable"]) == (N_CLIPS, N_CLIPS, 0, 0)
    times = times_embedded(own_stack, CLIPS, "ge2e")
    assert (len(times), set(times.values())) == (N_CLIPS, {1})
    assert set(vectors(own_stack, CLIPS, "ge2e", folder)) == set(times)


def test_a_split_leaves_nothing_of_the_old_segment(talks: FullStack, tmp_path: Path) -> None:
    rows = command(talks, "segments", "-c", TALKS)
    old = max(rows, key=lambda row: row["end_s"] - row["start_s"])
    command(talks, "label", "--segment", old["segment_id"], "Marta", "--wait")
    middle_s = round((old["start_s"] + old["end_s"]) / 2, 3)
    done = command(talks, "split", old["segment_id"], "--at", str(middle_s))
    parts = [part["segment_id"] for part in done["parts"]]
    talks.idle()

    after = {row["segment_id"]: row for row in command(talks, "segments", "-c", TALKS)}
    assert set(after) == {row["segment_id"] for row in rows} - {old["segment_id"]} | set(parts)
    assert [after[part]["end_s"] for part in parts] == [middle_s, old["end_s"]]
    for name in ("ge2e", "spectral"):
        assert set(vectors(talks, TALKS, name, tmp_path)) == set(after)
    talks.earmark("export", "segments", "-c", TALKS, "--out", str(tmp_path / "s.jsonl"))
    assert old["segment_id"] not in (tmp_path / "s.jsonl").read_text()
    for cluster in command(talks, "clusters", "-c", TALKS):
        assert old["segment_id"] not in json.dumps(cluster)
    tables = ("embedding", "assignment", "suggestion", "cluster_member", "unembeddable", "deferred")
    left = [t for t in tables if talks.sql(f"SELECT 1 FROM {t} WHERE segment_id = %s", old["segment_id"])]
    assert left == []
    recording = next(
        row for row in command(talks, "recordings", "-c", TALKS) if row["recording_id"] == done["recording_id"]
    )
    assert recording["segments"] == sum(row["recording_id"] == done["recording_id"] for row in after.values())
