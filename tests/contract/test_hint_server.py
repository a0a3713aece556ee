"""The door that object stores knock on: it lets in who has the token, reads what it knows, and survives the rest."""

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.ingest.hint_server import hint_server
from shared.settings import IngestSettings, Settings
from shared.units import MIB

HINTS = Path(__file__).parent / "hints"
TOKEN = "a token of the test"
CAFE = "meetings/2024/café opening.wav"


class Door:
    """A served door on a free port, and what was heard through it."""

    def __init__(self, token: str = TOKEN) -> None:
        self.heard: list[str] = []
        ingest = IngestSettings(watch_host="127.0.0.1", watch_port=0, hint_token=SecretStr(token))
        self.server = hint_server(Settings(ingest=ingest), self.heard.extend)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.server.server_address[1], timeout=5)

    def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> int:
        connection = self.connect()
        try:
            connection.request("POST", path, body, {"Authorization": f"Bearer {TOKEN}"} if headers is None else headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    door.close()


def recorded(name: str) -> bytes:
    return (HINTS / f"{name}.json").read_bytes()


@pytest.mark.parametrize(
    ("path", "hint"), [("/hints/seaweedfs", "seaweedfs_create_small"), ("/hints/s3", "minio_webhook_put")]
)
def test_keys_are_passed_on(door: Door, path: str, hint: str):
    assert door.post(path, recorded(hint)) == 200
    assert door.heard == [CAFE]


def test_a_hint_that_names_no_key_is_welcome_too(door: Door):
    assert door.post("/hints/seaweedfs", recorded("seaweedfs_delete")) == 200
    assert door.heard == []


def test_one_connection_carries_many_hints(door: Door):
    connection = door.connect()
    for _ in range(3):
        connection.request("POST", "/hints/s3", recorded("minio_webhook_put"), {"Authorization": f"Bearer {TOKEN}"})
        assert connection.getresponse().read() == b""
    connection.close()
    assert door.heard == [CAFE] * 3


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer another"}, {"Authorization": "Bearer "}])
def test_without_the_token_nothing_is_heard(door: Door, headers: dict[str, str]):
    assert door.post("/hints/s3", recorded("minio_webhook_put"), headers) == 401
    assert door.heard == []


def test_where_no_token_is_set_nobody_is_let_in():
    door = Door(token="")
    try:
        assert door.post("/hints/s3", recorded("minio_webhook_put"), {}) == 401
        assert door.post("/hints/s3", recorded("minio_webhook_put"), {"Authorization": "Bearer "}) == 401
    finally:
        door.close()
    assert door.heard == []


@pytest.mark.parametrize(
    "body",
    [b"", b"no JSON", b"\xff\xfe", b"[]", b"{}", b'{"Records": 1}', b"[" * 100_000, b'{"Records": [{"s3": {}}]}'],
    ids=["empty", "text", "bytes", "list", "object", "number", "deep", "half"],
)
@pytest.mark.parametrize("path", ["/hints/s3", "/hints/seaweedfs"])
def test_rubbish_is_refused(door: Door, path: str, body: bytes):
    assert door.post(path, body) == 400
    assert door.heard == []


def test_a_large_body_is_refused_before_it_is_read(door: Door):
    connection = door.connect()
    connection.putrequest("POST", "/hints/s3")
    connection.putheader("Authorization", f"Bearer {TOKEN}")
    connection.putheader("Content-Length", str(MIB + 1))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413
    assert response.headers["Content-Length"] == "0"
    connection.close()


def test_a_body_of_the_most_that_is_accepted_is_read(door: Door):
    body = recorded("minio_webhook_put").ljust(MIB)
    assert door.post("/hints/s3", body) == 200


@pytest.mark.parametrize("path", ["/", "/hints", "/hints/gcs", "/hints/s3/../../etc/passwd"])
def test_another_address_is_nothing(door: Door, path: str):
    assert door.post(path, b"{}") == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_another_method_is_not_understood(door: Door, method: str):
    connection = door.connect()
    connection.request(method, "/hints/s3", headers={"Authorization": f"Bearer {TOKEN}"})
    assert connection.getresponse().status == 501
    connection.close()


def test_a_length_that_is_no_number_is_refused(door: Door):
    connection = door.connect()
    connection.putrequest("POST", "/hints/s3")
    connection.putheader("Authorization", f"Bearer {TOKEN}")
    connection.putheader("Content-Length", "many")
    connection.endheaders()
    try:
        assert connection.getresponse().status == 400
    finally:
        connection.close()


def test_the_door_is_open_after_a_refusal(door: Door):
    door.post("/hints/s3", b"no JSON")
    door.post("/hints/s3", b"{}", {})
    assert door.post("/hints/s3", json.dumps({"Records": []}).encode()) == 200
