"""A backup that was taken amid work, its stack gone, and a stack made of it elsewhere: all that was known is there.

Run by the command, as people do.
"""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.launcher import stack
from tests.support.clients import boto3_put
from tests.support.clips import cut_up
from tests.support.stack import AUDIO, FullStack, open_folder, until

pytestmark = pytest.mark.slow
N_CLIPS = 30

# Everything of the collection that had come to rest.
KNOWN = {
    "recordings": """SELECT recording_id, sha256, state, n_samples, derived_key, facts FROM recording
                     WHERE collection = 'meetings'""",
    "objects": "SELECT key, etag, state, recording_id FROM stored_object WHERE collection = 'meetings'",
    "segments": "SELECT segment_id, start_sample, end_sample, source FROM segment WHERE collection = 'meetings'",
    "vectors": """SELECT segment_id, vector::text FROM embedding JOIN segment s USING (segment_id)
                  WHERE s.collection = 'meetings'""",
    "names": "SELECT segment_id, speaker_id, assigned_by, confidence FROM assignment WHERE collection = 'meetings'",
    "labels": "SELECT label_id, operation, actor, detail FROM label WHERE collection = 'meetings'",
    "clusters": "SELECT cluster_id, n_segments, cohesion FROM cluster WHERE collection = 'meetings'",
}


@dataclass(frozen=True)
class Story:
    """What was known before, and the stack that was made of the backup."""

    known: dict[str, list[Any]]
    exported: bytes
    manifest: dict[str, Any]
    refused: str
    stack: FullStack
    exported_again: bytes


@pytest.fixture(scope="module")
def story(demo_audio: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    scratch = tmp_path_factory.mktemp("backup")
    backup = scratch / "kept"
    with open_folder() as folder:
        first, second = folder.with_name("first"), folder.with_name("second")
        try:
            old = FullStack(stack.up(first, extra_env={"EARMARK_LEDGER__LEASE_S": "8"}))
            work(old, demo_audio)
            known, exported = known_of(old), export_of(old, scratch / "before.jsonl")
            back_up_amid_work(old, cut_up(sorted(demo_audio.glob("*.flac")), scratch / "clips", N_CLIPS), backup)
            stack.down(first)
            shutil.rmtree(first)
            manifest = json.loads(old.earmark("restore", str(backup), "--check", "--json").stdout)
            old.earmark("restore", str(backup), "--data-dir", str(second))
            refused = old.earmark("restore", str(backup), "--data-dir", str(second), "--json", check=False)
            new = FullStack(stack.up(second))
            yield Story(known, exported, manifest, refused.stdout, new, export_of(new, scratch / "after.jsonl"))
        finally:
            stack.down(first)
            stack.down(second)


def work(of: FullStack, demo_audio: Path) -> None:
    of.earmark("ingest", str(demo_audio), "-c", "meetings", "--wait")
    of.earmark("cluster", "-c", "meetings", "--wait")
    ((segment_id,),) = of.sql("SELECT segment_id FROM assignment RIGHT JOIN segment USING (segment_id) LIMIT 1")
    of.earmark("label", "Ada", "--segment", str(segment_id), "--wait")
    of.idle()


def back_up_amid_work(of: FullStack, clips: list[Path], backup: Path) -> None:
    """Half of the clips wait for an embedder; the others arrive while the backup is being taken."""
    waiting, arriving = clips[: N_CLIPS // 2], clips[N_CLIPS // 2 :]
    with of.without("embedder"), ThreadPoolExecutor(2) as threads:
        put(of, waiting)
        until(lambda: n_waiting(of) >= len(waiting))
        put_meanwhile = threads.submit(put, of, arriving)
        of.earmark("backup", str(backup), "--data-dir", str(of.data_dir))
        put_meanwhile.result()


def put(to: FullStack, clips: list[Path]) -> None:
    for clip in clips:
        boto3_put(to.state, clip, f"later/{clip.name}")


def n_waiting(of: FullStack) -> int:
    return int(of.sql("SELECT count(*) FROM delivery WHERE subscription = 'embedder.embed'")[0][0])


def known_of(of: FullStack) -> dict[str, list[Any]]:
    return {name: sorted(of.sql(query), key=str) for name, query in KNOWN.items()}


def export_of(of: FullStack, target: Path) -> bytes:
    of.earmark("export", "segments", "-c", "meetings", "--out", str(target))
    return target.read_bytes()


def test_all_that_was_known_is_known_again(story: Story) -> None:
    assert all(story.known.values())
    assert known_of(story.stack) == story.known


def test_what_is_exported_is_the_same_byte_for_byte(story: Story) -> None:
    assert story.exported
    assert story.exported_again == story.exported


def test_what_waited_and_what_arrived_meanwhile_ends_by_itself(story: Story) -> None:
    assert story.manifest["tables"]["delivery"] >= N_CLIPS // 2
    n_files = sum(1 for _ in story.stack.s3().list_objects(AUDIO, prefix="later/"))
    assert n_files >= N_CLIPS // 2
    done = story.stack.settled("later", n_files)
    assert {item["status"] for item in done.values()} == {"ready"}
    story.stack.idle()


def test_nothing_that_was_known_is_read_again(story: Story) -> None:
    """The objects were put again, by the restore; the sweep must not take them for new."""
    story.stack.settled("later", 1)
    seen = story.stack.sql(
        """SELECT count(*) FROM event WHERE type LIKE '%%object.seen%%' AND data->>'collection' = 'meetings'
           AND occurred_at > (SELECT pg_postmaster_start_time())"""
    )
    assert seen == [(0,)]


def test_keys_and_tokens_are_those_of_before(story: Story) -> None:
    with story.stack.api() as api:
        assert api.get("/v1/collections/meetings").status_code == 200


def test_a_data_directory_that_holds_something_is_not_touched(story: Story) -> None:
    assert json.loads(story.refused)["error"]["code"] == "data_dir_not_empty"
