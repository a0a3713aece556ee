"""Whoever writes to Redis can ring the doorbell and no more: no message is believed, and none stops a worker."""

import base64
import json
import os
import pickle
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
import redis
from celery import Celery

from shared.ledger.transport import NAME as TRANSPORT
from shared.settings import RedisSettings
from tests.support import audio
from tests.support.processes import living
from tests.support.stack import FullStack, until

pytestmark = pytest.mark.slow
QUEUES: Final = ("ingest", "embedder", "clusterer")
PREFIX: Final = RedisSettings().key_prefix
HEADERS: Final[list[tuple[str, Any]]] = [
    *(("task", odd) for odd in ([], 7)),
    *(("id", odd) for odd in ([], None)),
    *(("timelimit", odd) for odd in ("abc", 7, [[], {}])),
    *(("eta", odd) for odd in ([], "x", 1e999)),
    *((name, {}) for name in ("root_id", "group", "origin", "shadow", "argsrepr")),
    *((name, 7) for name in ("stamps", "stamped_headers", "compression", "retries")),
]


class Canary:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._path),)


def message(body: bytes, content_type: str = "application/json", **changed: Any) -> bytes:
    """One element of a queue's list, as kombu writes it."""
    headers = {"lang": "py", "task": "ingest.register", "id": str(uuid4()), "argsrepr": "", "kwargsrepr": ""}
    properties = {
        "body_encoding": "base64",
        "correlation_id": str(uuid4()),
        "delivery_info": {"exchange": "earmark", "routing_key": "ingest"},
        "delivery_mode": 2,
        "delivery_tag": str(uuid4()),
        "priority": 0,
    }
    whole = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": content_type,
        "headers": headers | changed.pop("headers", {}),
        "properties": properties | changed.pop("properties", {}),
        **changed,
    }
    return json.dumps(whole).encode()


def spoilt(**parts: Any) -> bytes:
    """A sound one, but for parts of its envelope."""
    return json.dumps(json.loads(message(call("m", []))) | parts).encode()


def without(name: str) -> bytes:
    """A sound one that lacks a header."""
    whole = json.loads(message(call("m", [])))
    del whole["headers"][name]
    return json.dumps(whole).encode()


def call(*arguments: Any) -> bytes:
    """A task's arguments, as Celery packs them."""
    return json.dumps([arguments, {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]).encode()


def forged(canary: Path) -> dict[str, bytes]:
    """Messages of every kind of ill will."""
    pickled = pickle.dumps([("m", []), {}, {}, Canary(canary)])
    return {
        "pickled": message(pickled, "application/x-python-serialize", **{"content-encoding": "binary"}),
        "pickled, said to be JSON": message(pickled),
        "yaml": message(b"!!python/object/apply:os.mkdir [x]", "application/x-yaml"),
        "of no type": message(call("m", []), ""),
        "of an unknown task": message(call("m", []), headers={"task": "os.system"}),
        "of another service's task": message(call("m", [str(uuid4())]), headers={"task": "clusterer.assign"}),
        "of unknown events": message(call("m", [str(uuid4())])),
        "of ids that are none": message(call("m", ["../../etc/passwd", 7, None, {}])),
        "of too few arguments": message(call()),
        "of arguments of another kind": message(json.dumps({"a": 1}).encode()),
        "of nothing": message(b""),
        "of a number": message(b"1e999"),
        "of half a document": message(b'[["m", ['),
        "deep": message(b"[" * 50_000 + b"]" * 50_000),
        "long": message(call("m", ["x" * 5_000_000])),
        "with a time to come": message(call("m", []), headers={"eta": "9999-12-31T23:59:59", "expires": "never"}),
        "that wants an answer": message(call("m", []), properties={"reply_to": "ingest"}),
        "of no JSON": b"no JSON",
        "of no UTF-8": b"\xff\xfe\x00",
        "of nothing at all": b"",
        "of half an envelope": message(call("m", []))[:100],
        "with an envelope too deep": b"[" * 500_000,
        "with a list for an envelope": b"[]",
        "with a number for an envelope": b"7",
        "without properties": b"{}",
        "with properties of another kind": spoilt(properties=1),
        "with a tag that is none": message(call("m", []), properties={"delivery_tag": {}}),
        "delivered from nowhere": message(call("m", []), properties={"delivery_info": "here"}),
        "with headers of another kind": spoilt(headers=7),
        "with a body that cannot be unpacked": spoilt(body="é"),
        "with a body of another kind": spoilt(body={"a": 1}),
        "packed in a way that nobody knows": message(call("m", []), properties={"body_encoding": "rot13"}),
        "without a body, of another type": spoilt(**{"body": None, "content-type": "application/x-yaml"}),
        "of a type that is none": spoilt(**{"content-type": []}),
        "of a type that kombu does not know": b'{"__type__": "x", "__value__": 1}',
        "of a type that cannot be one": b'{"__type__": [], "__value__": 1}',
        "of a number that is none": b'{"__type__": "decimal", "__value__": "zz"}',
        "of bytes that are none": b'{"__type__": "bytes", "__value__": 7}',
        "of a number too long": b"9" * 5_000,
        "with a tag that cannot be written": message(call("m", []), properties={"delivery_tag": "\ud800"}),
        "delivered from nowhere at all": message(call("m", []), properties={"delivery_info": {}}),
        "delivered from somewhere else": message(call("m", []), properties={"delivery_info": {"exchange": []}}),
        "without a task": without("task"),
        "without an id": without("id"),
        "of an older kind": spoilt(headers={}, body=base64.b64encode(b'{"task": [], "id": []}').decode()),
        "that has others follow": message(json.dumps([["m", []], {}, {"callbacks": 7, "chain": [7]}]).encode()),
    } | {f"with the {name} {value!r}": message(call("m", []), headers={name: value}) for name, value in HEADERS}


def broadcasts() -> list[bytes]:
    """What might be published to whoever listens for remote control."""
    commands: list[Any] = [
        {},
        [],
        7,
        {"method": []},
        {"method": "ping", "destination": 7},
        {"method": "ping", "arguments": 7, "reply_to": 7},
        {"method": "ping", "reply_to": {"exchange": {}, "routing_key": []}},
        {"method": "ping", "matcher": "glob", "pattern": []},
        {"method": "ping", "": 7},
    ]
    return [
        *(b"{}", b"[]", b"7", b"no JSON", b"\xff", b"[" * 500_000, b"9" * 5_000, spoilt(headers=7), spoilt(body=None)),
        *(b'{"__type__": "decimal", "__value__": "zz"}', b'{"__type__": "bytes", "__value__": 7}'),
        *(message(json.dumps(command).encode()) for command in commands),
        *(message(b'{"method": "ping"}', headers={"clock": clock}) for clock in ("x", [1], 10**4_300 - 1)),
        message(pickle.dumps({"method": "ping"}), "application/x-python-serialize"),
    ]


@pytest.fixture
def doorbell(full_stack: FullStack) -> Iterator["redis.Redis[bytes]"]:
    client = redis.Redis.from_url(full_stack.state.redis_url)
    yield client
    client.close()


@pytest.fixture
def still_works(full_stack: FullStack, tmp_path: Path) -> Callable[[str], None]:
    """Have a recording go all the way."""

    def check(name: str) -> None:
        full_stack.collection(name, segmenter="whole", encoders=["spectral"])
        full_stack.put(audio.write(tmp_path / "a.wav", audio.tone(1.0, 16_000), 16_000, "wav"), f"{name}/a.wav")
        assert full_stack.settled(name, 1)[f"{name}/a.wav"]["status"] == "ready"
        full_stack.idle()

    return check


def workers(stack: FullStack) -> set[int]:
    return {p.pid for p in living(stack.data_dir) if "celery" in " ".join(p.cmdline())}


def test_forged_messages_do_nothing_and_kill_nobody(full_stack: FullStack, doorbell, still_works, tmp_path) -> None:
    still_works("before-forgery")
    before, canary = workers(full_stack), tmp_path / "canary"
    for queue in QUEUES:
        doorbell.lpush(PREFIX + queue, *forged(canary).values())

    still_works("forged")

    assert not canary.exists()
    assert workers(full_stack) == before


def test_broadcasts_that_are_none_stop_nobody(full_stack: FullStack, doorbell, still_works) -> None:
    """Commands that are sound are obeyed: whoever may write to Redis may look after the workers, as Flower does."""
    before = workers(full_stack)
    app = Celery(broker=full_stack.state.redis_url, set_as_current=False)
    app.conf.update(broker_transport=TRANSPORT, broker_transport_options={"global_keyprefix": PREFIX})

    def answers() -> bool:
        return len(app.control.ping(timeout=5, limit=len(QUEUES))) == len(QUEUES)

    until(answers)
    for broadcast in broadcasts():
        until(partial(doorbell.publish, f"{PREFIX}/0.celery.pidbox", broadcast))

    still_works("published")

    assert workers(full_stack) == before
    until(answers)
