"""The same faults without the ledger: they lose work, so the other tests prove something."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep

import psutil
import psycopg
import pytest
from celery import Celery

from tests.chaos.conftest import Clips
from tests.chaos.faults import family, listens, swallowed, valkey
from tests.chaos.observing import Outcome
from tests.chaos.plain import QUEUE
from tests.chaos.processes import Kept, beside, environment
from tests.chaos.scale import scaled
from tests.support.stack import FullStack, until

Report = Callable[[Outcome], Outcome]
WORDS = (
    *("celery", "-A", "tests.chaos.plain", "worker", f"--queues={QUEUE}", "--concurrency=2"),
    "--without-mingle",  # which waits for messages of its own first
)


class Plain:
    """Tasks, a worker's queue and the vectors that came of them."""

    def __init__(self, stack: FullStack) -> None:
        self.stack = stack
        self._sender = Celery("sender", broker=stack.state.redis_url, set_as_current=False)
        self.sent = 0
        with psycopg.connect(stack.state.database_url, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS plain")
            connection.execute("CREATE TABLE IF NOT EXISTS plain.vector (key text PRIMARY KEY, vector real[])")
            connection.execute("TRUNCATE plain.vector")

    @contextmanager
    def worker(self) -> Iterator[Kept]:
        with beside(environment(self.stack.state, {}), WORDS) as (kept,):
            until(lambda: len(family(psutil.Process(kept.pid))) >= 3)
            yield kept

    def put(self, clip: Path, folder: str) -> str:
        key = f"{folder}/{clip.parent.name}/{clip.name}"
        self.stack.put(clip, key)
        return key

    def send(self, key: str) -> None:
        self.sent += 1
        self._sender.send_task("plain.embed", args=[key], queue=QUEUE)

    def waiting(self) -> int:
        return int(valkey(self.stack).llen(QUEUE))

    def embedded(self) -> int:
        ((n,),) = self.stack.sql("SELECT count(*) FROM plain.vector")
        return n

    def settled(self) -> None:
        """Until nothing waits and nothing has come for a while."""
        until(lambda: self.waiting() == 0, timeout_s=300)
        before = -1
        while before != (before := self.embedded()):
            sleep(2.0)


@pytest.fixture
def plain(mortal: FullStack) -> Plain:
    return Plain(mortal)


def test_a_storm_loses_what_plain_tasks_held(plain: Plain, clips: Clips, report: Report) -> None:
    n, n_faults, rng = scaled(4000, 200), scaled(25, 10), random.Random(1)
    with plain.worker() as worker:
        for clip in clips(n):
            plain.send(plain.put(clip, "control-storm"))
        for _ in range(n_faults):
            until(lambda: len(family(psutil.Process(worker.pid))) >= 3)
            with suppress(psutil.Error):
                rng.choice(family(psutil.Process(worker.pid))[1:]).kill()
        plain.settled()
    lost = n - plain.embedded()
    report(Outcome("CONTROL, plain tasks: workers killed", n, n_faults, lost, 0, note="no ledger"))
    assert lost > 0


def test_what_was_pushed_to_a_frozen_worker_is_lost(plain: Plain, clips: Clips, report: Report) -> None:
    n, n_faults = scaled(20, 2), 0
    files = iter(clips(3 * n))
    with plain.worker() as worker:
        while n_faults < n:
            key = plain.put(next(files), "control-frozen")
            main = psutil.Process(worker.pid)
            until(lambda main=main: listens(plain.stack, main))
            idle = family(main)
            for process in idle:
                process.suspend()
            plain.send(key)
            sleep(0.2)
            n_faults += swallowed(plain.stack, QUEUE)  # else it had just looked, and the message waits for the next
            for process in idle:
                process.kill()
            until(lambda main=main: worker.pid != main.pid)
        plain.settled()
    lost = plain.sent - plain.embedded()
    report(Outcome("CONTROL, plain tasks: pushed to a frozen worker", n, n, lost, 0, note="no ledger"))
    assert lost >= 0.9 * n
