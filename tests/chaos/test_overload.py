"""Far more comes in than can be done at once: it waits, Redis stays small, and nobody starves."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import sleep
from typing import Self

import pytest
import redis

from services.launcher.cli.client import Client
from services.launcher.cli.pipeline import BATCH, Ingest
from services.launcher.cli.sources import Source, Sources
from shared.ledger.relay import QUEUES_FULL
from shared.ledger.routes import QUEUES, SUBSCRIPTIONS
from shared.settings import LedgerSettings
from shared.units import MIB
from tests.chaos import faults
from tests.chaos.conftest import QUICK, Clips
from tests.chaos.loads import put_all
from tests.chaos.observing import Observer, Outcome
from tests.chaos.processes import beside, environment
from tests.chaos.scale import scaled
from tests.support.ports import free_port, listens
from tests.support.stack import FullStack, until

Report = Callable[[Outcome], Outcome]

REDIS_BYTES = 32 * MIB
DEPTH = LedgerSettings().depth_messages
MOST = {q: (QUEUES_FULL + sum(q in {s.queue, s.isolated_queue} for s in SUBSCRIPTIONS)) * DEPTH for q in QUEUES}
"""Messages that a queue may hold: beyond the first number nothing is pushed, and one push of all is the second."""


class Gauge:
    """Looks at Redis all the while."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.deepest = 0
        self.too_deep: set[str] = set()

    def _look(self) -> None:
        while not self._stop.wait(0.05):
            for queue in QUEUES:
                depth = int(self._client.llen(f"earmark:{queue}"))
                self.deepest = max(self.deepest, depth)
                self.too_deep |= {queue} if depth > MOST[queue] else set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@contextmanager
def capped(client: redis.Redis) -> Iterator[None]:
    """A Redis with little memory, which it keeps."""
    before = client.config_get("maxmemory")["maxmemory"]
    client.config_set("maxmemory", REDIS_BYTES)
    try:
        yield
    finally:
        client.config_set("maxmemory", before)


@contextmanager
def full(client: redis.Redis) -> Iterator[None]:
    """Somebody else's data fills it to the brim: nothing can be written."""
    client.setrange("ballast", REDIS_BYTES - 1, b"x")
    with pytest.raises(redis.OutOfMemoryError):
        client.set("one more", "x")
    try:
        yield
    finally:
        client.delete("ballast")


@pytest.fixture
def strict(mortal: FullStack) -> Iterator[str]:
    """The address of a console that takes a tenth of what will come."""
    port = free_port()
    own = {"EARMARK_CONSOLE__PORT": str(port), "EARMARK_CONSOLE__MAX_BACKLOG_EVENTS": str(scaled(1250, 20))}
    with beside(environment(mortal.state, QUICK) | own, ("services.console.main",)):
        until(lambda: listens(port), timeout_s=120)
        yield f"http://127.0.0.1:{port}"


class Silent:
    """Shows nothing."""

    def sent(self, n_bytes: int) -> None: ...

    def settled(self, n_ready: int, n_rejected: int) -> None: ...


def test_ten_times_too_much(
    mortal: FullStack, observer: Observer, strict: str, clips: Clips, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third comes straight into the bucket, the rest by `earmark ingest`, which is sent away and comes back."""
    n = scaled(12_500, 150)
    files = clips(n)
    straight, asked = files[: n // 3], files[n // 3 :]
    monkeypatch.setattr("services.launcher.cli.pipeline.BATCH", scaled(BATCH, 20))
    held: list[float] = []
    client = faults.valkey(mortal)
    api = Client(strict, mortal.token, on_hold=lambda _, pause_s: held.append(pause_s))
    with capped(client), Gauge(client) as gauge, api:
        put_all(mortal, "flood", straight)
        # Until then nobody knows for how long to send anybody away.
        until(lambda: mortal.sql("SELECT FROM drained WHERE collection = 'flood' LIMIT 1"), timeout_s=120)
        ingest = Ingest(api, "flood", {}, Silent())
        uploading = threading.Thread(target=ingest.upload, args=(sources(asked),))
        uploading.start()
        observer.fault()
        with full(client):
            sleep(2.0)
        uploading.join()
        observer.wait("flood", n, timeout_s=scaled(7200, 180))
    told = f"429 {len(held)} times; {gauge.deepest} messages in a queue at most; Valkey full once"
    outcome = observer.outcome("ten times too much, Valkey capped at 32 MB", "flood", n, note=told)
    report(replace(outcome, note=f"{n} recordings, {outcome.claims - outcome.repeats:,} deliveries; {told}"))
    assert held, "nobody was told to come back later"
    assert not gauge.too_deep
    assert (outcome.lost, outcome.doubled) == (0, 0)


def sources(files: list[Path]) -> Sources:
    fit = [Source(file, f"{file.parent.name}/{file.name}", file.stat().st_size) for file in files]
    return Sources(tuple(fit), (), (), ())


@pytest.fixture
def small_messages(mortal: FullStack) -> Iterator[None]:
    """A relay that packs four events a message: else a short run's backlog would lie in Redis before the ten come."""
    settings = environment(mortal.state, {**QUICK, "EARMARK_LEDGER__EVENTS_PER_MESSAGE": "4"})
    with mortal.without("relay"), beside(settings, ("shared.ledger.relay",)):
        yield


def test_ten_files_are_ready_long_before_the_thousands_that_came_first(
    mortal: FullStack, observer: Observer, small_messages: None, clips: Clips, report: Report
) -> None:
    n = scaled(2000, 150)
    files = clips(n + 10)
    put_all(mortal, "many", files[:n])
    put_all(mortal, "ten", files[n:])
    until(lambda: ready(mortal, "ten") == 10, timeout_s=scaled(1200, 120))
    left = n - ready(mortal, "many")
    observer.wait("many", n, timeout_s=scaled(7200, 180))
    outcome = observer.outcome("ten files behind many of another collection", "many", n)
    report(replace(outcome, note=f"{left} of {n} were not ready when the ten were"))
    assert left > n / 3
    assert (outcome.lost, outcome.doubled) == (0, 0)


def ready(target: FullStack, collection: str) -> int:
    ((n_ready,),) = target.sql("SELECT count(*) FROM recording WHERE collection = %s AND state = 'ready'", collection)
    return int(n_ready)


def test_what_is_paused_rests_through_a_crash_until_it_is_resumed(
    mortal: FullStack, observer: Observer, clips: Clips, report: Report
) -> None:
    n = scaled(200, 20)
    files = clips(2 * n)
    mortal.collection("resting", segmenter="whole", encoders=["spectral"])
    mortal.earmark("pause", "-c", "resting")
    put_all(mortal, "resting", files[:n])
    observer.fault()
    faults.kill_program(mortal.data_dir, "relay")
    put_all(mortal, "working", files[n:])
    until(lambda: ready(mortal, "working") == n, timeout_s=scaled(600, 120))
    waiting = mortal.earmark("ingest", str(files[0]), "-c", "resting", "--wait", "--timeout", "1", check=False)
    assert ready(mortal, "resting") == 0
    assert "collection resting is paused since" in waiting.stderr
    assert "collection resting is paused since" in mortal.earmark("status").stderr

    mortal.earmark("resume", "-c", "resting")

    observer.wait("resting", n + 1, timeout_s=scaled(600, 120))
    outcome = report(observer.outcome("a collection paused, the relay killed, resumed", "resting", n + 1))
    assert (outcome.lost, outcome.doubled) == (0, 0)
