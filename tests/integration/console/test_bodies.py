"""What is done with a body, and when: nothing before its sender has shown a token, and of large ones few at a time."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import pytest

from services.console import auth, strict
from services.console.auth import session_cookie
from services.console.room import Room
from shared.settings import Settings
from tests.integration.console.conftest import OWNER_TOKEN, Served, serving

JSON = {"Content-Type": "application/json"}
LARGE = json.dumps({"name": "large", "padding": "x" * 200_000}).encode()  # which no endpoint takes


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the parser gets to see."""
    seen: list[bytes] = []

    def parse(raw: bytes) -> Any:
        seen.append(raw)
        return real(raw)

    real = strict.parse
    monkeypatch.setattr(strict, "parse", parse)
    return seen


def answer_to_the_head(served: Served, token: str | None, head: str, begin: bytes = b"") -> tuple[int, str]:
    """Status and body of the answer to a request that sends no more of its body than that."""
    port = served.console.settings.console.port
    said = f"Authorization: Bearer {token}\r\n" if token else ""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(f"POST /v1/collections HTTP/1.1\r\nHost: x\r\n{said}{head}\r\n\r\n".encode() + begin)
        return http_answer(line)


def http_answer(line: socket.socket) -> tuple[int, str]:
    received = b""
    while b"\r\n\r\n" not in received or not received.endswith(b"}"):
        block = line.recv(65536)
        assert block, received
        received += block
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), str(json.loads(body)["error"]["code"])


@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_strangers_body_is_not_parsed_whatever_it_holds(
    served: Served, parsed: list[bytes], token: str | None
) -> None:
    limit = served.console.settings.console.max_body_bytes
    bodies = (b'{"name": "a", "name": "b"}', b"{", b"\xff", b"[" + b"[]," * (limit // 3 - 1) + b"[]", b" " * 2 * limit)
    with served.as_(token) as stranger:
        for body in bodies:
            for path in ("/v1/collections", "/v1/labels", "/v1/nowhere", "/"):
                answer = stranger.post(path, content=body, headers=JSON)
                assert answer.status_code == 401, (path, body[:40])
                assert answer.headers["www-authenticate"] == "Bearer"
    assert parsed == []


def test_a_cookie_without_the_second_proof_has_no_body_parsed(served: Served, parsed: list[bytes]) -> None:
    name = session_cookie(served.console.settings.console.port)
    with served.as_(None) as browser:
        answer = browser.post("/v1/collections", content=b"{", headers=JSON | {"Cookie": f"{name}={OWNER_TOKEN}"})
    assert (answer.status_code, code(answer), parsed) == (403, "csrf_failed", [])


@pytest.mark.parametrize("head", ["Content-Length: 10000000", "Transfer-Encoding: chunked"])
def test_a_stranger_is_answered_before_the_body_is_read(served: Served, head: str) -> None:
    assert answer_to_the_head(served, None, head) == (401, "token_missing")
    assert answer_to_the_head(served, "wrong", head) == (401, "token_unknown")


def test_a_token_that_asks_too_much_is_answered_before_its_body_is_read(served: Served) -> None:
    secret = served.token("ingest")
    served.console.limits._requests_per_s = 0.1
    assert answer_to_the_head(served, secret, "Content-Length: 2", b"{}") == (422, "invalid_request")
    assert answer_to_the_head(served, secret, "Content-Length: 2") == (429, "too_many_requests")


def test_bytes_that_nobody_announced_count_too(served: Served) -> None:
    served.console.limits._bytes_per_s = 1000
    for wanted in ("invalid_request", "too_many_bytes"):
        answer = served.http.post("/v1/collections", content=iter([b" " * 50_000] * 2), headers=JSON)
        assert code(answer) == wanted
    assert served.http.get("/v1/collections").status_code == 200


def test_a_token_is_looked_up_once_a_request(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []

    def caller_of(secret: str, console: Any) -> auth.Caller:
        looked_up.append(secret)
        return real(secret, console)

    real = auth.caller_of
    monkeypatch.setattr(auth, "caller_of", caller_of)
    assert served.http.post("/v1/tokens", json={"name": "ci", "scopes": ["read"]}).status_code == 201
    assert looked_up == [OWNER_TOKEN]


class Gate:
    """A parser that holds what it is given until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.inside = 0
        self.most = 0
        self._lock = threading.Lock()

    def parse(self, raw: bytes) -> Any:
        if len(raw) < len(LARGE):
            return json.loads(raw)
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        assert self.opened.wait(20)
        with self._lock:
            self.inside -= 1
        return json.loads(raw)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setattr(strict, "parse", gate.parse)
    return gate


@contextmanager
def small_console(settings: Settings, tmp_path: Path) -> Iterator[Served]:
    """Whose largest body is LARGE."""
    own = settings.console.model_copy(update={"max_body_bytes": len(LARGE)})
    with serving(settings.model_copy(update={"console": own}), tmp_path) as served:
        yield served


def wait_for(condition: Any) -> None:
    end = monotonic() + 10
    while not condition():
        assert monotonic() < end
        sleep(0.01)


@pytest.mark.parametrize("chunked", [False, True])
def test_large_bodies_of_all_tokens_are_parsed_two_at_a_time(
    settings: Settings, tmp_path: Path, gate: Gate, *, chunked: bool
) -> None:
    with small_console(settings, tmp_path) as served, ThreadPoolExecutor(9) as pool:
        secrets = [served.token("ingest", name=f"t{i}") for i in range(3)]

        def send(secret: str) -> int:
            content = iter([LARGE[:100_000], LARGE[100_000:]]) if chunked else LARGE
            with served.as_(secret) as sender:
                return sender.post("/v1/collections", content=content, headers=JSON).status_code

        answers = [pool.submit(send, secret) for secret in secrets * 3]
        wait_for(lambda: gate.inside == 2)
        sleep(0.3)
        gate.opened.set()
        assert {answer.result() for answer in answers} == {422}
    assert gate.most == 2


def test_one_token_has_one_large_body_at_work_and_small_ones_go_past_it(
    settings: Settings, tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strict, "Room", partial(Room, patience_s=0.2))
    with small_console(settings, tmp_path) as served, ThreadPoolExecutor(1) as pool:
        first = pool.submit(partial(served.http.post, "/v1/collections", content=LARGE, headers=JSON))
        wait_for(lambda: gate.inside == 1)
        refused = served.http.post("/v1/collections", content=LARGE, headers=JSON)
        assert (refused.status_code, code(refused)) == (429, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        assert served.http.post("/v1/tokens", json={"name": "small", "scopes": ["read"]}).status_code == 201
        gate.opened.set()
        assert first.result().status_code == 422
        assert served.http.post("/v1/collections", content=LARGE, headers=JSON).status_code == 422


@pytest.mark.parametrize("head", ["Content-Length: 10000000", "Transfer-Encoding: chunked"])
def test_a_body_that_does_not_come_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    monkeypatch.setattr(strict, "_READ_WITHIN_S", 0.3)
    assert answer_to_the_head(served, OWNER_TOKEN, head) == (503, "body_too_slow")


def test_a_body_that_breaks_off_reaches_no_endpoint(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line of what came may be sound: half an import would look like all of it."""
    passed_on: list[bytes] = []
    replay = strict._replay
    monkeypatch.setattr(strict, "_replay", lambda body, receive: passed_on.append(body) or replay(body, receive))
    head = (
        "POST /v1/collections/meetings/imports HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {OWNER_TOKEN}\r\nContent-Length: 100\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.console.settings.console.port), timeout=20) as line:
        line.sendall(head.encode() + b"half of it")
    sleep(1.0)
    served.http.post("/v1/collections/meetings/imports", content=b"all")
    assert passed_on == [b"all"]
