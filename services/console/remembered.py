"""An answer that costs something, for everybody who asks within some seconds. One at a time looks for a new one."""

from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """Whoever asks while somebody looks gets the last answer, and waits only for the very first."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._looking = Lock()
        self._known: tuple[float, T] | None = None

    def get(self, look: Callable[[], T], kept_s: float) -> T:
        """What `look` gave less than so many seconds ago, or gives now."""
        known = self._known
        if known is not None and self._clock() - known[0] < kept_s:
            return known[1]
        if not self._looking.acquire(blocking=known is None):
            assert known is not None
            return known[1]
        try:
            found = self._known
            if found is None or found is known:  # else somebody has just looked
                self._known = found = self._clock(), look()
            return found[1]
        finally:
            self._looking.release()
