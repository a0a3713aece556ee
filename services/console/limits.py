"""How much one token may ask of one console process: requests and bytes of their bodies, as leaky buckets.

Each process counts for itself: a count that all shared would cost a round trip a request, and stop at a Redis that is
away. Several consoles let several times as much in.
"""

import threading
from dataclasses import dataclass
from typing import Final

from services.console.errors import TryLater
from shared.settings import ConsoleSettings

BURST_S: Final = 2.0
"""How many seconds' worth may come at once."""


class TooManyRequests(TryLater):
    """The token asks faster than it may; wait as many seconds as `Retry-After` says, then go on."""

    code = "too_many_requests"


class TooManyBytes(TryLater):
    """The token sends more than it may; wait as many seconds as `Retry-After` says, then go on."""

    code = "too_many_bytes"


@dataclass(slots=True)
class _Bucket:
    """Fills by what is taken, drains at its rate; one that is full beyond the burst takes nothing."""

    filled: float = 0.0
    at_s: float = 0.0

    def wait_s(self, rate: float, now_s: float) -> float:
        """Drain it; how long until it takes something again."""
        self.filled = max(0.0, self.filled - rate * (now_s - self.at_s))
        self.at_s = now_s
        return max(0.0, self.filled / rate - BURST_S)


class Limits:
    """Of every token, by its name. Threads may share it."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self._requests_per_s = settings.requests_per_second
        self._bytes_per_s = settings.body_bytes_per_second
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[_Bucket, _Bucket]] = {}

    def admit(self, actor: str, now_s: float, *, with_body: bool) -> None:
        """Count a request, before its body is read. Raises TooManyRequests, TooManyBytes; then nothing counts."""
        with self._lock:
            requests, volume = self._of(actor)
            if wait_s := requests.wait_s(self._requests_per_s, now_s):
                raise TooManyRequests(f"More than {self._requests_per_s:g} requests a second.", retry_after_s=wait_s)
            if (wait_s := volume.wait_s(self._bytes_per_s, now_s)) and with_body:
                raise TooManyBytes(f"More than {self._bytes_per_s} bytes a second.", retry_after_s=wait_s)
            requests.filled += 1

    def weigh(self, actor: str, n_bytes: int) -> None:
        """Count bytes of a body as they come: into debt if need be, so that a body of any size fits through."""
        with self._lock:
            self._of(actor)[1].filled += n_bytes

    def _of(self, actor: str) -> tuple[_Bucket, _Bucket]:
        return self._buckets.setdefault(actor, (_Bucket(), _Bucket()))
