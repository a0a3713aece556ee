"""Events as server-sent events: one listener a process wakes every reader; no reader holds a transaction or a thread.

A wake-up that is missed costs `stream_poll_s`, never an event: every reader keeps its own position in the log.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Final, TypeVar

import psycopg
from anyio import CapacityLimiter, move_on_after, to_thread

from shared.errors import InvalidRequest, TransientError
from shared.events import EVENT_TYPES, OF_STAGES, CloudEvent
from shared.ledger import stream as ledger
from shared.ledger.heartbeat import Heart
from shared.ledger.outbox import EVENTS_CHANNEL
from shared.ledger.stream import Position
from shared.storage.database import Database
from shared.telemetry import logger

log = logger("console")

T = TypeVar("T")

HEARTBEAT_S: Final = 10.0
LOOKED_AFTER_S: Final = 20.0
"""So often it is seen whether the reader's token is still valid."""

EVENTS_PER_READ: Final = 500
_READERS_AT_A_TIME: Final = 2
_SHORTEST_PAUSE_S: Final = 0.05
_PAUSE_AFTER_FAILURE_S: Final = 0.5


class UnknownEventType(InvalidRequest):
    """Name types as docs/events.md does, in full or in the middle: `recording.registered`."""

    code = "unknown_event_type"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events a reader asks for."""

    collection: str | None
    types: frozenset[str] | None
    within: frozenset[str] | None = None  # the reader's token is for these collections

    def takes(self, event: CloudEvent) -> bool:
        """Whether the reader shall see it."""
        if self.types is not None and event.type not in self.types:
            return False
        happened_in = event.data.get("collection")
        if event.type in OF_STAGES and not happened_in:
            return True
        if self.within is not None and happened_in not in self.within:
            return False
        return self.collection is None or happened_in == self.collection


def wanted(collection: str | None, types: str | None, within: frozenset[str] | None = None) -> Wanted:
    """From the query: types are separated by commas. Raises UnknownEventType."""
    if types is None:
        return Wanted(collection, None, within)
    by_name = {_middle(full): full for full in EVENT_TYPES} | {full: full for full in EVENT_TYPES}
    names = [name.strip() for name in types.split(",")]
    if unknown := [name for name in names if name not in by_name]:
        raise UnknownEventType(f"No event type {unknown[0]!r}; known are: {', '.join(map(_middle, EVENT_TYPES))}.")
    return Wanted(collection, frozenset(by_name[name] for name in names), within)


def _middle(full: str) -> str:
    """`io.earmark.recording.registered.v1` is `recording.registered` for short."""
    return ".".join(full.split(".")[2:-1])


class Hub:
    """Hears the channel in a thread of its own and rings for all readers of the event loop."""

    def __init__(self, database: Database, heart: Heart, poll_s: float) -> None:
        self._database = database
        self._heart = heart
        self._poll_s = poll_s
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._ring = asyncio.Event()
        # Readers wake together; most of the pool's connections stay free for everybody else.
        self._readers = CapacityLimiter(_READERS_AT_A_TIME)

    def start(self) -> None:
        """Listen from now on; call it in the event loop that the readers run in."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._hear, args=(loop,), name="events", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether readers shall end."""
        return self._closed.is_set()

    def close(self) -> None:
        """Let the listener and every reader end; may be called from a signal handler, and twice."""
        self._closed.set()

    def join(self) -> None:
        """Wait until the listener has ended."""
        self.close()
        if self._thread is not None:
            self._thread.join()
        self._heart.stop()

    def next_ring(self) -> asyncio.Event:
        """What `wait` waits for; take it before reading, so that nothing falls in between."""
        return self._ring

    async def wait(self, ring: asyncio.Event) -> None:
        """Return when something was announced, or when it is time to look anyway."""
        with move_on_after(2 * self._poll_s):
            await ring.wait()

    async def read(self, position: Position) -> tuple[list[CloudEvent], Position]:
        """The next events. Raises DatabaseUnavailable."""
        return await self.ask(partial(self._read, position))

    async def ask(self, question: Callable[[], T]) -> T:
        """What a question to the database gives, in the readers' turn. Raises DatabaseUnavailable."""
        return await to_thread.run_sync(question, limiter=self._readers)

    def _read(self, position: Position) -> tuple[list[CloudEvent], Position]:
        with self._database.begin() as tx:
            return ledger.read(tx, position, EVENTS_PER_READ)

    def _hear(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._closed.is_set():
            try:
                with closing(self._database.listen(EVENTS_CHANNEL)) as connection:
                    while not self._closed.is_set():
                        self._heart.beat()
                        for _ in connection.notifies(timeout=self._poll_s, stop_after=1):
                            pass
                        loop.call_soon_threadsafe(self._wake)
                        self._closed.wait(_SHORTEST_PAUSE_S)  # a burst of events is one wake-up
            except (TransientError, psycopg.OperationalError) as error:
                log.warning("stream_listener_failed", error=str(error).split("\n", 1)[0])
                self._closed.wait(_PAUSE_AFTER_FAILURE_S)

    def _wake(self) -> None:
        ring, self._ring = self._ring, asyncio.Event()
        ring.set()


async def frames(
    hub: Hub, position: Position, filters: Wanted, is_valid: Callable[[], bool], *, follow: bool = True
) -> AsyncIterator[bytes]:
    """The events after a position, and with `follow` those to come: as long as the client listens and is valid.

    Then there is a comment whenever it was quiet for long, and a database that is away is waited for. Raises
    DatabaseUnavailable without `follow`: an end would say that there is nothing more.
    """
    yield b": the stream is open\n\n"
    last_sent_s = looked_s = monotonic()
    while not hub.closed:
        ring = hub.next_ring()
        try:
            if monotonic() - looked_s >= LOOKED_AFTER_S:
                if not await hub.ask(is_valid):
                    return
                looked_s = monotonic()
            events, position = await hub.read(position)
        except TransientError as error:
            log.warning("stream_not_read", code=error.code)
            if not follow:
                raise
            events = []
        if chosen := b"".join(frame(event) for event in events if filters.takes(event)):
            last_sent_s = monotonic()
            yield chosen
        elif monotonic() - last_sent_s >= HEARTBEAT_S:
            last_sent_s = monotonic()
            yield b": still here\n\n"
        if len(events) < EVENTS_PER_READ and not follow:
            return
        if len(events) < EVENTS_PER_READ:
            await hub.wait(ring)


def frame(event: CloudEvent) -> bytes:
    """One event in the format of the HTML standard, section 9.2.6; JSON holds no line breaks of its own."""
    return f"id: {event.id}\nevent: {event.type}\ndata: {event.model_dump_json()}\n\n".encode()
