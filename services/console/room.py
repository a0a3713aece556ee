"""Room for request bodies: only so many bytes are held at a time; the next bodies wait unread, and not for long.

A body is held until its answer has left, for it is parsed by then, and parsed JSON takes up to thirty times as much.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from services.console.errors import RETRY_AFTER_S, Overloaded

_MOST_WAITING: Final = 32
"""Bodies of one token: the server has read the beginning of each."""


class Room:
    """For twice what one token may fill, so that one that stalls does not keep the others out. Of one event loop."""

    def __init__(self, n_bytes_each: int, patience_s: float = 10.0) -> None:
        self._n_bytes_each = n_bytes_each
        self._patience_s = patience_s
        self._held: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._some_left = asyncio.Event()

    @asynccontextmanager
    async def held(self, actor: str, n_bytes: int) -> AsyncIterator[None]:
        """Wait for room, and keep it. Raises Overloaded when none comes, or too many wait already."""
        if not self._fits(actor, n_bytes):
            await self._wait(actor, n_bytes)
        self._held[actor] += n_bytes
        try:
            yield
        finally:
            _take(self._held, actor, n_bytes)
            self._some_left.set()
            self._some_left = asyncio.Event()

    def _fits(self, actor: str, n_bytes: int) -> bool:
        each = self._n_bytes_each
        return self._held[actor] + n_bytes <= each and self._held.total() + n_bytes <= 2 * each

    async def _wait(self, actor: str, n_bytes: int) -> None:
        if self._waiting[actor] >= _MOST_WAITING:
            raise Overloaded("Too many bodies wait to be read.", retry_after_s=RETRY_AFTER_S)
        self._waiting[actor] += 1
        try:
            async with asyncio.timeout(self._patience_s):
                while not self._fits(actor, n_bytes):
                    await self._some_left.wait()
        except TimeoutError:
            raise Overloaded("Too many large bodies are at work.", retry_after_s=RETRY_AFTER_S) from None
        finally:
            _take(self._waiting, actor, 1)


def _take(counts: Counter[str], actor: str, n: int) -> None:
    """Names that count nothing are forgotten: there may be many in a process' life."""
    counts[actor] -= n
    if not counts[actor]:
        del counts[actor]
