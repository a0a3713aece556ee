"""Lets in a few at a time and sends the rest away with a word, so that exports leave connections for everybody else."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import TransientError


class TooBusy(TransientError):
    """Too many exports are running; try again when one of them has ended."""

    code = "busy"


class Turnstile:
    """Threads may share it."""

    def __init__(self, n_places: int) -> None:
        self._places = threading.BoundedSemaphore(n_places)

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Hold a place. Raises TooBusy at once when none is free."""
        if not self._places.acquire(blocking=False):
            raise TooBusy
        try:
            yield
        finally:
            self._places.release()
