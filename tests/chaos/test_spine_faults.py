"""Kill everything once while files are in work: nothing is lost, nothing is doubled, and the vectors are the same."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import psycopg
import pytest
import redis

from tests.support.clips import cut_up
from tests.support.processes import kill_program
from tests.support.stack import FullStack, open_folder, running_stack, until

FAULT_EVERY_S = float(os.environ.get("EARMARK_CHAOS_EVERY_S", "1.2"))
N_CLIPS = int(os.environ.get("EARMARK_CHAOS_CLIPS", "250"))


@pytest.fixture(scope="module")
def mortal_stack() -> Iterator[FullStack]:
    """A stack of its own: what is killed here must not disturb other tests."""
    with open_folder() as folder:
        yield from running_stack(folder)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory, demo_audio: Path) -> list[Path]:
    """`EARMARK_CHAOS_FOLDER` takes real recordings instead."""
    if folder := os.environ.get("EARMARK_CHAOS_FOLDER"):
        return [p for p in sorted(Path(folder).rglob("*.flac")) if p.is_file()]
    return cut_up(list(demo_audio.glob("*.flac")), tmp_path_factory.mktemp("clips"), N_CLIPS)


def upload(target: FullStack, collection: str, clips: list[Path]) -> None:
    target.collection(collection, segmenter="whole")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda p: target.put(p, f"{collection}/{p.parent.name}/{p.name}"), clips))


def wait_until_ready(target: FullStack, collection: str, n_files: int) -> float:
    began = monotonic()

    def ready() -> bool:
        try:
            ((n_ready, n_open),) = target.sql(
                """SELECT (SELECT count(*) FROM stored_object o JOIN recording r USING (recording_id)
                           WHERE o.collection = %s AND r.state = 'ready'),
                          (SELECT count(*) FROM delivery WHERE state <> 'dead')""",
                collection,
            )
        except psycopg.OperationalError:  # it is being killed
            return False
        return n_ready >= n_files and n_open == 0

    until(ready, timeout_s=600, every_s=0.25)
    return monotonic() - began


def vectors(target: FullStack, collection: str) -> dict[tuple[str, int], np.ndarray]:
    rows = target.sql(
        """SELECT r.sha256, s.start_sample, e.vector::real[]
           FROM embedding e JOIN segment s USING (segment_id) JOIN recording r ON r.recording_id = s.recording_id
           WHERE e.collection = %s""",
        collection,
    )
    return {(sha256, start): np.array(vector, np.float32) for sha256, start, vector in rows}


def flush(target: FullStack) -> None:
    redis.Redis.from_url(target.state.redis_url).flushall()


def test_a_storm_of_kills_loses_nothing_and_doubles_nothing(mortal_stack: FullStack, clips: list[Path]) -> None:
    upload(mortal_stack, "quiet", clips)
    quiet_s = wait_until_ready(mortal_stack, "quiet", len(clips))

    with ThreadPoolExecutor(1) as uploading:
        done = uploading.submit(upload, mortal_stack, "storm", clips)
        for fault in ("embedder", "flush", "embedder", "valkey", "embedder", "postgres"):
            sleep(FAULT_EVERY_S)
            flush(mortal_stack) if fault == "flush" else kill_program(mortal_stack.data_dir, fault)
        done.result()
    storm_s = wait_until_ready(mortal_stack, "storm", len(clips))

    quiet, storm = vectors(mortal_stack, "quiet"), vectors(mortal_stack, "storm")
    ((n_announced, n_distinct),) = mortal_stack.sql(
        """SELECT count(*), count(DISTINCT data->>'recording_id') FROM event
           WHERE type = 'io.earmark.recording.embedded.v1' AND data->>'collection' = 'storm'"""
    )
    ((n_dead,),) = mortal_stack.sql("SELECT count(*) FROM delivery WHERE state = 'dead'")
    print(  # noqa: T201  # the figures of the run, shown with -s
        f"\nN={len(clips)} faults=6 lost={len(quiet) - len(storm)} doubled={n_announced - n_distinct} "
        f"dead={n_dead} quiet_s={quiet_s:.1f} storm_s={storm_s:.1f}"
    )
    assert len(storm) == len(quiet) == n_announced == n_distinct
    assert n_dead == 0
    assert max(float(np.abs(storm[key] - quiet[key]).max()) for key in quiet) < 1e-5
