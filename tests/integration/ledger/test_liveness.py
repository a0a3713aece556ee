"""A heartbeat says that queues are heard, not that a thread of the process still turns."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import TransientError
from shared.ledger import celery_app, process
from shared.settings import Settings
from shared.storage.database import Database
from tests.integration.ledger.deliveries import count
from tests.support.deaf_app import app
from tests.support.stack import until

SILENT_S = 3  # and heartbeats come each 0.2 s


@pytest.fixture
def worker(settings: Settings, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    environment = os.environ | {
        "EARMARK_DATABASE__URL": settings.database.url.get_secret_value(),
        "EARMARK_REDIS__URL": settings.redis.url.get_secret_value(),
        "EARMARK_HEARTBEAT_S": "0.2",
    }
    command = [sys.executable, "-m", "celery", "-A", "tests.support.deaf_app", "worker", "--concurrency=1"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--without-gossip", "--without-mingle"], env=environment, stderr=log)
    yield process
    process.kill()
    process.wait()


def test_a_worker_that_hears_nothing_is_not_seen_any_more(
    worker: "subprocess.Popen[bytes]", settings: Settings, database: Database, tmp_path: Path
) -> None:
    until(lambda: count(database, "SELECT count(*) FROM heartbeat WHERE service = 'clusterer'"))
    app.conf.update(
        broker_url=settings.redis.url.get_secret_value(),
        broker_transport_options=celery_app.transport_options(settings),
    )
    app.control.broadcast("go_deaf")
    silent = f"SELECT count(*) FROM heartbeat WHERE seen_at < clock_timestamp() - interval '{SILENT_S} s'"
    until(lambda: count(database, silent))
    assert worker.poll() is None
    assert "worker_is_deaf" in (tmp_path / "log").read_text()


def test_a_process_that_gets_nowhere_is_not_seen(settings: Settings, database: Database) -> None:
    stop, fails = threading.Event(), [True, True, False, False]
    often = settings.model_copy(update={"heartbeat_s": 0.0})
    seen: list[int] = []

    def step(stop: threading.Event) -> None:
        seen.append(count(database, "SELECT count(*) FROM heartbeat"))
        with database.begin() as tx:
            tx.exec_driver_sql("DELETE FROM heartbeat")
        if fails.pop(0):
            raise TransientError("a server is away")
        if not fails:
            stop.set()

    process.loop("relay", often, step, stop)
    assert seen == [1, 0, 0, 1]  # at its start, and again once a step has come to its end
