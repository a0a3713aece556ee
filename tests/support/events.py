"""The event stream of a running stack, as a client of `GET /v1/events` reads it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.support.stack import FullStack

CloudEvent = dict[str, Any]


@contextmanager
def listening(stack: FullStack, last_event_id: str | None = None, **query: str) -> Iterator[Iterator[CloudEvent]]:
    """What is announced from now on, or after an event; waiting 15 s for the next line is an error."""
    headers = {"Authorization": f"Bearer {stack.token}"} | ({"Last-Event-ID": last_event_id} if last_event_id else {})
    with (
        httpx.Client(base_url=stack.url, headers=headers, timeout=15) as http,
        http.stream("GET", "/v1/events", params=query) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        lines = answer.iter_lines()
        assert next(lines).startswith(":")  # it has begun: nothing that is announced from now on is missed
        yield _events(lines)


def _events(lines: Iterator[str]) -> Iterator[CloudEvent]:
    own_id = ""
    for line in lines:
        if line.startswith("id: "):
            own_id = line[4:]
        elif line.startswith("data: "):
            event = json.loads(line[6:])
            assert event["id"] == own_id  # what a client resumes by
            yield event


def short(event: CloudEvent) -> str:
    """`recording.registered` of `io.earmark.recording.registered.v1`."""
    return str(event["type"]).removeprefix("io.earmark.").rpartition(".")[0]
