"""Whoever writes to Redis can ring the doorbell and no more: no message is believed, and none stops a worker."""

import base64
import json
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
import redis

from shared.settings import RedisSettings
from tests.support import audio
from tests.support.processes import living
from tests.support.stack import FullStack

pytestmark = pytest.mark.slow
QUEUES: Final = ("ingest", "embedder", "clusterer")
PREFIX: Final = RedisSettings().key_prefix


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
    }


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
