"""Stopped amid its work and started again, a stack goes on where it was; run by the command, as people do."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.launcher import stack
from tests.support.clients import boto3_put
from tests.support.clips import cut_up
from tests.support.processes import living
from tests.support.stack import FullStack, open_folder, until

pytestmark = pytest.mark.slow
N_CLIPS = 120
# Small messages, so that the middle of the work is easy to meet; and one event a segment.
SETTINGS = {
    "EARMARK_LEDGER__LEASE_S": "8",
    "EARMARK_LEDGER__EVENTS_PER_MESSAGE": "4",
    "EARMARK_LEDGER__SEGMENTS_PER_EVENT": "1",
}


@dataclass
class Machine:
    """One data directory and the command."""

    data_dir: Path

    def earmark(self, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "services.launcher.cli.main", *words, "--data-dir", str(self.data_dir)]
        return subprocess.run(
            command, env=os.environ | SETTINGS, capture_output=True, text=True, timeout=200, check=check
        )

    def up(self) -> FullStack:
        shown = json.loads(self.earmark("up", "--detach", "--json").stdout)
        state = stack.running(self.data_dir)
        assert state is not None
        assert shown == state.public_view()
        return FullStack(state)


@dataclass(frozen=True)
class Restarted:
    """What was seen before, between and after."""

    stack: FullStack
    second_up: "subprocess.CompletedProcess[str]"
    n_ready_when_stopped: int
    left_running: list[Any]
    urls: tuple[str, str]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with open_folder() as folder:
        try:
            yield Machine(folder)
        finally:
            stack.down(folder)


@pytest.fixture(scope="module")
def restarted(machine: Machine, demo_audio: Path, tmp_path_factory: pytest.TempPathFactory) -> Restarted:
    clips = cut_up(sorted(demo_audio.glob("*.flac")), tmp_path_factory.mktemp("clips"), N_CLIPS)
    first = machine.up()
    second_up = machine.earmark("up", "--detach", check=False)
    first.collection("restarted", segmenter="whole")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda clip: boto3_put(first.state, clip, f"restarted/{clip.name}"), clips))
    boto3_put(first.state, demo_audio / "bridge.flac", "turns/bridge.flac")
    until(lambda: n_ready(first) >= 1)
    machine.earmark("down")
    left_running = living(machine.data_dir)
    second = machine.up()
    n_before = second.sql(
        "SELECT count(*) FROM event WHERE type LIKE '%%recording.embedded%%' AND occurred_at < "
        "(SELECT pg_postmaster_start_time())"
    )[0][0]
    second.settled("restarted", N_CLIPS)
    second.settled("turns", 1)
    second.idle()
    return Restarted(second, second_up, n_before, left_running, (first.url, second.url))


def n_ready(of: FullStack) -> int:
    return int(of.sql("SELECT count(*) FROM recording WHERE state = 'ready'")[0][0])


def test_a_second_up_is_refused_with_status_1_and_a_sentence_that_helps(restarted: Restarted, machine: Machine) -> None:
    assert restarted.second_up.returncode == 1
    assert f"A stack runs in {machine.data_dir} already." in restarted.second_up.stderr
    assert "earmark down" in restarted.second_up.stderr


def test_it_was_stopped_in_the_middle_of_its_work(restarted: Restarted) -> None:
    assert 0 < restarted.n_ready_when_stopped < N_CLIPS


def test_no_process_outlives_down(restarted: Restarted) -> None:
    assert restarted.left_running == []


def test_it_comes_back_under_its_address(restarted: Restarted) -> None:
    assert restarted.urls[0] == restarted.urls[1]


def test_everything_becomes_ready_and_nothing_is_done_twice(restarted: Restarted) -> None:
    done = restarted.stack.settled("restarted", N_CLIPS)
    assert Counter(item["status"] for item in done.values()) == {"ready": N_CLIPS}
    of_each = """SELECT (SELECT count(*) FROM recording), (SELECT count(*) FROM segment),
                        (SELECT count(*) FROM embedding) + (SELECT count(*) FROM unembeddable)"""
    ((n_recordings, n_segments, n_outcomes),) = restarted.stack.sql(of_each)
    assert n_recordings == N_CLIPS + 1
    assert n_segments == n_outcomes
    announced = dict(
        restarted.stack.sql(
            "SELECT subject, count(*) FROM event WHERE type = 'io.earmark.recording.embedded.v1' GROUP BY subject"
        )
    )
    assert Counter(announced.values()) == {1: n_recordings}


def test_every_vector_is_a_unit_vector(restarted: Restarted) -> None:
    rows = restarted.stack.sql("SELECT vector::real[] FROM embedding")
    assert np.allclose(np.linalg.norm(np.array([row for (row,) in rows]), axis=1), 1, atol=1e-5)


def test_segments_are_announced_one_by_one_where_that_is_wanted(restarted: Restarted) -> None:
    rows = restarted.stack.sql(
        """SELECT e.data->'segment_ids' FROM event e JOIN recording r ON r.recording_id::text = e.subject
           WHERE e.type = 'io.earmark.segments.created.v1' AND r.collection = 'turns'"""
    )
    ((n_segments,),) = restarted.stack.sql("SELECT count(*) FROM segment WHERE collection = 'turns'")
    assert n_segments >= 8
    assert sorted(len(segment_ids) for (segment_ids,) in rows) == [1] * n_segments
    assert len({segment_ids[0] for (segment_ids,) in rows}) == n_segments
