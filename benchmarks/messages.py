"""What a segment's message costs: 256 ids an event through the whole ledger, against one Celery task a segment.

CPU seconds of everybody who takes part are counted: publisher, relay, worker, Postgres, Valkey.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import process_time, sleep
from uuid import uuid4

import psutil
import redis
import sqlalchemy as sa

from benchmarks.report import Comparison
from benchmarks.servers import running, variable
from services.launcher import stack
from shared.events import SegmentsCreated
from shared.ledger.outbox import announce, publish
from shared.settings import Settings
from shared.storage.database import Database

N_EVENTS, SEGMENTS_AN_EVENT, N_TASKS, ROUNDS = 240, 256, 3000, 5
EVENTS_A_COMMIT = 8  # as ingest does: a commit announces the segments of several recordings, or of one long one


def run() -> Iterator[Comparison]:
    ours, theirs = [], []
    with running() as (state, settings), variable("EARMARK_REDIS__URL", state.redis_url):
        environment = os.environ | {"EARMARK_DATABASE__URL": state.database_url, "EARMARK_LOG_LEVEL": "WARNING"}
        data_dir = Path(state.data_dir)
        segment_ids = [str(uuid4()) for _ in range(N_TASKS)]
        for _ in range(ROUNDS):
            events = [_event() for _ in range(N_EVENTS)]
            with _worker("ledger", "embedder", environment) as worker, _relay(environment) as relay:
                cpu_s = _cpu_of(data_dir, [worker, relay], partial(_through_the_ledger, settings, events))
                ours.append(1e6 * cpu_s / (N_EVENTS * SEGMENTS_AN_EVENT))
            with _worker("plain", "plain", environment) as worker:
                cpu_s = _cpu_of(data_dir, [worker], partial(_one_task_each, settings, segment_ids))
                theirs.append(1e6 * cpu_s / N_TASKS)
    yield Comparison("message cost of a segment", "one Celery task a segment", "cpu-us a segment", ours, theirs, 50)


def _through_the_ledger(settings: Settings, events: list[SegmentsCreated]) -> None:
    database = Database(settings.database)
    for at in range(0, N_EVENTS, EVENTS_A_COMMIT):
        with database.begin() as tx:
            publish(tx, [announce(event) for event in events[at : at + EVENTS_A_COMMIT]])
    while _n_deliveries(database):
        sleep(0.2)
    database.close()


def _event() -> SegmentsCreated:
    ids = tuple(uuid4() for _ in range(SEGMENTS_AN_EVENT))
    return SegmentsCreated(
        recording_id=uuid4(), collection="c", segmenter="s", segment_ids=ids, duration_s=SEGMENTS_AN_EVENT
    )


def _n_deliveries(database: Database) -> int:
    with database.begin() as tx:
        return int(tx.execute(sa.text("SELECT count(*) FROM delivery")).scalar_one())


def _one_task_each(settings: Settings, segment_ids: list[str]) -> None:
    from benchmarks.worker_apps import segment

    client = redis.Redis.from_url(settings.redis.url.get_secret_value())
    for segment_id in segment_ids:
        segment.delay(segment_id)
    while client.llen("plain") or client.hlen("unacked"):
        sleep(0.05)


@contextmanager
def _worker(app: str, queue: str, environment: dict[str, str]) -> Iterator[psutil.Process]:
    command = [sys.executable, "-m", "celery", "-A", f"benchmarks.worker_apps:{app}", "worker", "-c", "1", "-Q", queue]
    with subprocess.Popen(
        [*command, "-l", "WARNING"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        sleep(6)  # its start is not what is measured
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def _relay(environment: dict[str, str]) -> Iterator[psutil.Process]:
    with subprocess.Popen([sys.executable, "-m", "shared.ledger.relay"], env=environment) as process:
        sleep(2)
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(30)


def _cpu_of(data_dir: Path, helpers: list[psutil.Process], work: Callable[[], None]) -> float:
    def spent_s() -> float:
        return _servers_cpu_s(data_dir) + sum(map(_tree_cpu_s, helpers)) + process_time()

    before_s = spent_s()
    work()
    return spent_s() - before_s


def _servers_cpu_s(data_dir: Path) -> float:
    """Of Postgres' and Valkey's standing processes; a backend that has ended is counted by its parent's children."""
    total_s = 0.0
    for program in stack.processes(data_dir):
        if program.name in {"postgres", "valkey"}:
            times = psutil.Process(program.pid).cpu_times()
            total_s += program.cpu_s + times.children_user + times.children_system
    return total_s


def _tree_cpu_s(root: psutil.Process) -> float:
    return sum(sum(p.cpu_times()[:2]) for p in [root, *root.children(recursive=True)])
