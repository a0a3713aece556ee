"""Processes beside a stack's own: started with its environment, started again when they die, stopped at the end."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from services.launcher.stack import StackState, assembly
from services.launcher.stack.layout import Layout

ROOT = Path(__file__).parents[2]
RESTART_S = 0.2


def environment(state: StackState, extra: Mapping[str, str]) -> dict[str, str]:
    """What every program of the stack sees."""
    return assembly.environment_of(Layout(Path(state.data_dir)), state, {**os.environ, **extra})


class Kept:
    """Starts a process again whenever it has ended."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command, self._environment = command, environment
        self._stop = threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def _start(self) -> "subprocess.Popen[bytes]":
        log = Path(self._environment["EARMARK_STACK_OF"], "log", f"{self._command[2]} {self._command[-1]}.log")
        with log.open("ab") as file:
            return subprocess.Popen(self._command, env=self._environment, stdout=file, stderr=file, cwd=ROOT)

    def _keep(self) -> None:
        while not self._stop.is_set():
            self._process.wait()
            if not self._stop.wait(RESTART_S):
                self._process = self._start()

    @property
    def pid(self) -> int:
        """Of the process that runs now, or ran last."""
        return self._process.pid

    def stop(self) -> None:
        self._stop.set()
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._thread.join()


@contextmanager
def beside(environment: Mapping[str, str], *modules: Sequence[str]) -> Iterator[list[Kept]]:
    """Each is `python -m` with its arguments."""
    kept = [Kept([sys.executable, "-m", *words], environment) for words in modules]
    try:
        yield kept
    finally:
        for one in kept:
            one.stop()
