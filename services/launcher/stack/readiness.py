"""Wait until a stack's parts answer, and give up at once when one of them cannot start."""

import http.client
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from services.launcher.stack import control
from services.launcher.stack.control import ProgramStatus
from services.launcher.stack.errors import NotReady
from services.launcher.stack.layout import Layout

Missing = Callable[[], str | None]
"""Asks one part what it still lacks to be ready; None when it lacks nothing."""

Statuses = Callable[[Layout], list[ProgramStatus]]

_POLL_S = 0.05
_LOOK_S = 0.5  # how often supervisord is asked about its programs
_FAILED_STARTS = 3  # within one wait; supervisord itself goes on trying
_TAIL_BYTES = 8192
_TAIL_LINES = 20


def wait(
    layout: Layout, parts: Mapping[str, Missing], timeout_s: float, *, statuses: Statuses = control.statuses_of
) -> None:
    """Return when each part has been ready once; their names are those of their programs.

    Raises NotReady with the end of the log of a program that keeps failing, or of what is not ready in time.
    """
    pending = dict(parts)
    failures = _Failures(layout, statuses)
    deadline = time.monotonic() + timeout_s
    next_look = time.monotonic() + _LOOK_S
    while True:
        lacks = {name: lack for name, missing in pending.items() if (lack := missing()) is not None}
        pending = {name: pending[name] for name in lacks}
        if not pending:
            return
        if time.monotonic() >= deadline:
            name, lack = next(iter(lacks.items()))
            raise not_ready(layout, name, f"not ready after {timeout_s:.0f} s ({lack.strip()})")
        if time.monotonic() >= next_look:
            failures.look()
            next_look = time.monotonic() + _LOOK_S
        time.sleep(_POLL_S)


def stays_up(layout: Layout, name: str) -> Missing:
    """Ready when supervisord has seen the program stay up for a second."""

    def missing() -> str | None:
        try:
            states = {status.name: status.state for status in control.statuses_of(layout)}
        except OSError as error:
            return f"supervisord does not answer: {error}"
        return None if states.get(name) == "RUNNING" else f"it is {states.get(name, 'unknown')}"

    return missing


def answers(url: str) -> Missing:
    """Ready when a GET is answered with 200."""
    parts = urlsplit(url)

    def missing() -> str | None:
        # Not urllib.request: it would send even this to a proxy that the environment names.
        connection = http.client.HTTPConnection(parts.netloc, timeout=5)
        try:
            connection.request("GET", parts.path)
            response = connection.getresponse()
            body = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return f"no answer: {error}"
        finally:
            connection.close()
        return None if response.status == http.client.OK else f"HTTP {response.status}: {body[:500]}"

    return missing


def not_ready(layout: Layout, program: str, trouble: str) -> NotReady:
    """The error that quotes the program's log."""
    path = layout.log_file(program)
    tail = log_tail(path)
    return NotReady(f"{program}: {trouble or 'failed'}." + (f" The end of {path}:\n{tail}\n" if tail else ""))


def log_tail(path: Path) -> str:
    """The last lines of a log; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-_TAIL_LINES:])


class _Failures:
    """Counts each program's failed starts, by the second of the start."""

    def __init__(self, layout: Layout, statuses: Statuses) -> None:
        self._layout, self._statuses = layout, statuses
        self._starts: defaultdict[str, set[int]] = defaultdict(set)

    def look(self) -> None:
        """Raises NotReady if a program has failed for good, or too often, or if supervisord has gone."""
        try:
            statuses = self._statuses(self._layout)
        except OSError as error:
            raise not_ready(self._layout, "supervisord", "does not answer") from error
        for status in statuses:
            if status.state == "BACKOFF":
                self._starts[status.name].add(status.started_at_s)
            if status.state == "FATAL" or len(self._starts[status.name]) >= _FAILED_STARTS:
                raise not_ready(self._layout, status.name, status.trouble)
