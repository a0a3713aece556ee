"""Notifications of the bucket are dropped, doubled and shuffled: the sweep finds what they did not tell."""

import random
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


class Postman:
    """Stands where the watcher should, and passes on what the store tells as bad networks do."""

    def __init__(self, port: int, watcher_port: int) -> None:
        self.dropped = self.doubled = 0
        self._rng = random.Random(3)
        self._held: list[tuple[str, dict[str, str], bytes]] = []
        self._watcher = f"http://127.0.0.1:{watcher_port}"
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

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def postman(mortal: FullStack) -> Iterator[Postman]:
    elsewhere = free_port()
    settings = environment(mortal.state, QUICK) | {"EARMARK_INGEST__WATCH_PORT": str(elsewhere)}
    with mortal.without("watch"):
        postman = Postman(mortal.state.ports["watch"], elsewhere)
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
    observer.wait("hints", n, timeout_s=300)
    told = f"of the notifications {postman.dropped} dropped, {postman.doubled} doubled, all shuffled"
    outcome = observer.outcome("notifications dropped, doubled, shuffled", "hints", n, note=told)
    report(Outcome(outcome.fault, n, postman.dropped + postman.doubled, outcome.lost, outcome.doubled, note=told))
    assert postman.dropped, "the store tells us nothing"
    assert postman.doubled
    assert (outcome.lost, outcome.doubled) == (0, 0)
