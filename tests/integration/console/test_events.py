"""The event stream as a client sees it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from services.console import stream as console_stream
from shared.events import ClusteringRequested, Event
from shared.ledger.heartbeat import Heart
from shared.ledger.outbox import announce, publish
from shared.ledger.stream import beginning
from shared.settings import DatabaseSettings
from shared.storage import collections
from shared.storage.database import Database, DatabaseUnavailable
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import NAME, Meetings
from tests.support.stack import until


def announced(served: Served, collection: str, n: int = 1) -> list[UUID]:
    announcements = [announce(requested(collection)) for _ in range(n)]
    with served.console.database.begin() as tx:
        publish(tx, announcements)
    return [a.event_id for a in announcements]


def requested(collection: str) -> Event:
    return ClusteringRequested(request_id=uuid4(), collection=collection, encoder="tiny")


@contextmanager
def opened(served: Served, headers: dict[str, str] | None = None, **query: str) -> Iterator[Iterator[str]]:
    with served.http.stream("GET", "/v1/events", params=query, headers=headers or {}) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        lines = answer.iter_lines()
        assert next(lines).startswith(":")  # the headers are out: whatever is announced from now on is streamed
        yield lines


def ids(lines: Iterator[str], n: int) -> list[UUID]:
    found = []
    for line in lines:
        if line.startswith("id: "):
            found.append(UUID(line[4:]))
            if len(found) == n:
                break
    return found


def test_events_arrive_when_they_are_committed(served: Served) -> None:
    announced(served, "before")
    with opened(served) as lines:
        expected = announced(served, "meetings", 3)
        assert ids(lines, 3) == expected


def test_a_stream_resumes_after_any_event_by_header_or_query(served: Served) -> None:
    everything = announced(served, "meetings", 1200)  # more than one read
    with opened(served, headers={"Last-Event-ID": str(everything[2])}) as lines:
        assert ids(lines, 1197) == everything[3:]
    with opened(served, last_event_id=str(everything[-3])) as lines:
        assert ids(lines, 2) == everything[-2:]


def stands(served: Served, name: str) -> None:
    """A collection of that name, of which there is no event."""
    with served.console.database.begin() as tx:
        collections.create(tx, name, "vad", ("tiny",))


def so_far(served: Served, **query: object) -> list[UUID]:
    """The events of a stream that ends by itself."""
    found = []
    with served.http.stream("GET", "/v1/events", params={"follow": "false", **query}) as answer:
        for line in answer.iter_lines():
            assert line != ": still here"  # it goes on, then
            found += [UUID(line[4:])] if line.startswith("id: ") else []
    return found


def test_what_has_happened_is_read_to_its_end(served: Served) -> None:
    stands(served, "meetings")
    ours = announced(served, "meetings", 600)  # more than one read
    others = announced(served, "other", 2)
    until(lambda: so_far(served, begin="start") == [*ours, *others])
    assert so_far(served, newest=3) == [ours[-1], *others]
    assert so_far(served, newest=3, collection="meetings") == ours[-3:]
    assert so_far(served, newest=3, types="labels.propagated") == []
    assert so_far(served, newest=10_000) == [*ours, *others]
    assert so_far(served, newest=0) == so_far(served) == []
    assert so_far(served, newest=5, last_event_id=others[0]) == [others[1]]  # as a browser resumes


def test_a_stream_goes_on_after_what_has_happened(served: Served) -> None:
    before = announced(served, "meetings", 3)
    until(lambda: so_far(served, begin="start") == before)
    with opened(served, newest="2") as lines:
        assert ids(lines, 2) == before[-2:]
        expected = announced(served, "meetings")
        assert ids(lines, 1) == expected


def test_an_unknown_position_is_404(served: Served) -> None:
    answer = served.http.get("/v1/events", params={"last_event_id": str(uuid4())})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_position")
    answer = served.http.get("/v1/events", params={"types": "magic"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unknown_event_type")


@pytest.mark.parametrize("follow", ["true", "false"])
def test_an_unknown_collection_is_404(served: Served, meetings: Meetings, follow: str) -> None:
    with served.as_(served.token("read", collections=["nosuch"])) as confined:
        for http in (served.http, confined):
            answer = http.get("/v1/events", params={"collection": "nosuch", "follow": follow})
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_collection")


def test_filters_keep_the_rest_out(served: Served) -> None:
    stands(served, "meetings")
    (first,) = announced(served, "meetings")
    announced(served, "other", 3)
    (last,) = announced(served, "meetings")
    with opened(served, last_event_id=str(first), collection="meetings", types="clustering.requested") as lines:
        assert ids(lines, 1) == [last]


def test_a_pause_is_told_once_and_that_of_a_stage_in_every_collection(served: Served, meetings: Meetings) -> None:
    for paused in ({"collection": NAME}, {"collection": NAME}, {"stage": "ingest"}):
        served.http.post("/v1/pauses", json=paused)
    resumed = [served.http.post("/v1/pauses/resume", json={"stage": "ingest"}).json()["resumed"] for _ in range(2)]
    assert resumed == [True, False]
    told = {"begin": "start", "types": "work.paused,work.resumed"}
    everything = until(lambda: so_far(served, **told)[2:] and so_far(served, **told))
    of_the_stage = everything[1:]
    assert len(of_the_stage) == 2
    assert so_far(served, collection=NAME, **told) == everything
    stands(served, "elsewhere")
    assert so_far(served, collection="elsewhere", **told) == of_the_stage
    assert so_far(served, collection="elsewhere", newest=1) == of_the_stage[-1:]
    with served.as_(served.token("read", collections=["elsewhere"])) as confined:
        assert confined.get("/v1/events", params={"follow": "false", **told}).text.count("id: ") == 2


def test_a_quiet_stream_shows_that_it_lives(served: Served, monkeypatch) -> None:
    monkeypatch.setattr(console_stream, "HEARTBEAT_S", 0.2)
    with opened(served) as lines:
        assert next(line for line in lines if line) == ": still here"


def test_a_stream_ends_with_its_token(served: Served, monkeypatch) -> None:
    monkeypatch.setattr(console_stream, "LOOKED_AFTER_S", 0.1)
    with served.as_(served.token("read")) as reader, reader.stream("GET", "/v1/events") as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith(":")
        expected = announced(served, "meetings")
        assert ids(lines, 1) == expected  # while it is valid
        (token,) = served.http.get("/v1/tokens").json()
        served.http.delete(f"/v1/tokens/{token['token_id']}").raise_for_status()
        assert not any(line.startswith("id: ") for line in lines)  # the end has come


def test_many_readers_share_one_listener_and_hold_no_transaction(served: Served) -> None:
    n_readers = 12
    arrived = []

    def read() -> None:
        with served.as_("token-of-the-owner") as http, http.stream("GET", "/v1/events") as answer:
            lines = answer.iter_lines()
            next(lines)
            ready.release()
            arrived.extend(ids(lines, 1))

    ready = threading.Semaphore(0)
    readers = [threading.Thread(target=read) for _ in range(n_readers)]
    for reader in readers:
        reader.start()
    for _ in readers:
        assert ready.acquire(timeout=20)
    held = connections(served)
    assert held["in transaction"] == 0
    assert held["listening"] == 1
    assert served.http.get("/v1/status").status_code == 200  # nobody is kept waiting
    (expected,) = announced(served, "meetings")
    for reader in readers:
        reader.join(timeout=20)
    assert arrived == [expected] * n_readers


def connections(served: Served) -> dict[str, int]:
    url = served.console.settings.database.url.get_secret_value()
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT clock_timestamp() - xact_start > interval '1 second', query LIKE 'LISTEN%' FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()
    return {
        "in transaction": sum(bool(long) for long, _ in rows),
        "listening": sum(bool(listening) for _, listening in rows),
    }


def test_a_stream_survives_a_database_that_ends_its_connections(served: Served) -> None:
    url = served.console.settings.database.url.get_secret_value()
    with opened(served) as lines:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        expected = until(lambda: try_announce(served))
        assert ids(lines, 1) == expected


def try_announce(served: Served) -> list[UUID]:
    try:
        return announced(served, "meetings")
    except Exception:  # noqa: BLE001  # a pooled connection that the server has closed
        return []


def test_the_console_is_seen_alive(served: Served) -> None:
    console = until(lambda: served.http.get("/v1/status").json()["services"].get("console"))
    assert (console["state"], console["instances"]) == ("seen", 1)


def test_a_reader_that_leaves_is_forgotten(served: Served) -> None:
    for _ in range(3):
        with opened(served):
            pass
    with httpx.Client(base_url=served.url) as http:
        assert http.get("/v1/health/live").json() == {"status": "live"}


def test_what_cannot_be_read_to_its_end_breaks_off() -> None:
    """An end would say that nothing more has happened."""
    settings = DatabaseSettings(url=SecretStr("postgresql://nobody@127.0.0.1:9/none"))
    hub = console_stream.Hub(Database(settings), Heart("console", settings, 60.0), 0.1)
    nothing = console_stream.Wanted(None, None)

    async def read() -> list[bytes]:
        return [frame async for frame in console_stream.frames(hub, beginning(), nothing, lambda: True, follow=False)]

    with pytest.raises(DatabaseUnavailable):
        asyncio.run(read())
