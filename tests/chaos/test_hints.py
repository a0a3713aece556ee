"""Notifications of the bucket are dropped, doubled and shuffled: the sweep finds what they did not tell."""

import random
import re
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.chaos.conftest import QUICK, Clips
from tests.chaos.loads import put_all
from tests.chaos.observing import Observer, Outcome
from tests.chaos.processes import beside, environment
from tests.chaos.scale import scaled
from tests.support.ports import free_port, listens
from tests.support.stack import FullStack, until

Report = Callable[[Outcome], Outcome]
_SWEEPS = re.compile(r"^earmark_sweep_seconds_count(?:\{.*\})? (\S+)$", re.MULTILINE)


class Postman:
    """Stands where the watcher should, and passes on what the store tells as bad networks do."""

    def __init__(self, port: int, watcher_port: int, metrics_port: int) -> None:
        self.dropped = self.doubled = 0
        self._rng = random.Random(3)
        self._held: list[tuple[str, dict[str, str], bytes]] = []
        self._watcher = f"http://127.0.0.1:{watcher_port}"
        self._metrics = f"http://127.0.0.1:{metrics_port}/metrics"
        postman = self

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                postman.take(self.path, {"Authorization": self.headers.get("Authorization", "")}, body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Door)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        luck = self._rng.random()
        copies = 0 if luck < 0.3 else 2 if luck < 0.6 else 1
        self.dropped += copies == 0
        self.doubled += copies == 2
        self._held += [(path, headers, body)] * copies
        if len(self._held) >= 20:
            self.deliver()

    def deliver(self) -> None:
        """What is held, in any order."""
        held, self._held = self._held, []
        self._rng.shuffle(held)
        for path, headers, body in held:
            request = urllib.request.Request(self._watcher + path, body, headers)  # loopback
            with suppress(OSError):
                urllib.request.urlopen(request, timeout=10).close()  # loopback

    def sweeps(self) -> int:
        """How many the watcher has ended."""
        with urllib.request.urlopen(self._metrics, timeout=10) as answer:  # loopback
            counts = _SWEEPS.search(answer.read().decode())
        return int(float(counts[1])) if counts else 0

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def postman(mortal: FullStack) -> Iterator[Postman]:
    elsewhere = free_port()
    metrics_port = free_port()
    own = {"EARMARK_INGEST__WATCH_PORT": str(elsewhere), "EARMARK_METRICS__PORT": str(metrics_port)}
    settings = environment(mortal.state, QUICK) | own | {"EARMARK_METRICS__HOST": "127.0.0.1"}
    with mortal.without("watch"):
        postman = Postman(mortal.state.ports["watch"], elsewhere, metrics_port)
        try:
            with beside(settings, ("services.ingest.watch",)):
                until(lambda: listens(elsewhere))
                yield postman
        finally:
            postman.close()


def test_every_object_is_registered_once(mortal: FullStack, postman: Postman, clips: Clips, report: Report) -> None:
    n = scaled(2000, 200)
    observer = Observer(mortal)
    put_all(mortal, "hints", clips(n))
    postman.deliver()
    ended = postman.sweeps()
    # The first one may have begun before the last object was there. Sweeps take a tenth of the time: a slow one waits.
    until(lambda: postman.sweeps() >= ended + 2, timeout_s=300)
    assert seen(mortal) == n, "one sweep does not find what nobody told of"
    observer.wait("hints", n, timeout_s=300)
    told = f"of the notifications {postman.dropped} dropped, {postman.doubled} doubled, all shuffled"
    outcome = observer.outcome("notifications dropped, doubled, shuffled", "hints", n, note=told)
    report(Outcome(outcome.fault, n, postman.dropped + postman.doubled, outcome.lost, outcome.doubled, note=told))
    assert postman.dropped, "the store tells us nothing"
    assert postman.doubled
    assert (outcome.lost, outcome.doubled) == (0, 0)


def seen(target: FullStack) -> int:
    """Objects that are known, each of which has an event."""
    ((n,),) = target.sql(
        """SELECT count(*) FROM stored_object o WHERE o.collection = 'hints' AND EXISTS (
               SELECT FROM event e WHERE e.type = 'io.earmark.object.seen.v1' AND e.data->>'key' = o.key)"""
    )
    return int(n)
