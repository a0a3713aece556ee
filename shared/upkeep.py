"""Tidying up behind work that may never come again: a job that runs by itself for as long as it finds something."""

import threading
from collections.abc import Callable

KEPT_S = 1800.0
"""That audio stays on a disk after it was last wanted: longer than any task may take, so that none finds it gone."""


class Upkeep:
    """Calls `tidy` every so often until it answers that nothing is left, then rests until `begin`. Threads share it."""

    def __init__(self, tidy: Callable[[], bool], every_s: float) -> None:
        self._tidy = tidy
        self._every_s = every_s
        self._lock = threading.Lock()
        self._runs = False

    def begin(self) -> None:
        """There is something to tidy now. Hold no lock that `tidy` takes."""
        with self._lock:
            if not self._runs:
                self._wait()

    def _wait(self) -> None:
        self._runs = True
        timer = threading.Timer(self._every_s, self._run)
        timer.daemon = True  # nobody waits for it to end
        timer.start()

    def _run(self) -> None:
        with self._lock:
            self._runs = False
            if self._tidy():
                self._wait()
