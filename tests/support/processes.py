"""The processes of a stack, looked at from outside."""

import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from services.launcher import stack
from shared.units import MIB
from tests.support.stack import until


def living(data_dir: Path) -> list[psutil.Process]:
    """Every process with the data directory in its command line, environment or working directory, but this one."""
    return [p for p in psutil.process_iter() if p != psutil.Process() and str(data_dir) in _traces(p)]


def _traces(process: psutil.Process) -> str:
    try:
        return " ".join((*process.cmdline(), *process.environ().values(), process.cwd()))
    except (psutil.Error, OSError):
        return ""


def program(data_dir: Path, name: str) -> psutil.Process:
    """The main process of a program of the stack, which may just be started again."""
    pid = until(lambda: next((p.pid for p in stack.processes(data_dir) if p.name == name), None))
    return psutil.Process(pid)


def kill_program(data_dir: Path, name: str) -> None:
    """SIGKILL a program of the stack with all its children, as a power cut would; supervisord starts it again."""
    main = program(data_dir, name)
    for process in [*main.children(recursive=True), main]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


class MemoryWatch:
    """The largest resident size that each process of some programs, children included, had while this was entered."""

    def __init__(self, data_dir: Path, *programs: str, every_s: float = 0.1) -> None:
        self.peak_mib: dict[tuple[str, int], float] = {}
        self._data_dir = data_dir
        self._programs = programs
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        roots = {r.name: r.pid for r in stack.processes(self._data_dir) if r.name in self._programs}
        assert set(roots) == set(self._programs)
        while not self._stop.wait(self._every_s):
            for name, pid in roots.items():
                self._look(name, pid)

    def _look(self, name: str, pid: int) -> None:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            try:
                rss_mib = process.memory_info().rss / MIB
            except psutil.NoSuchProcess:
                continue
            self.peak_mib[name, process.pid] = max(rss_mib, self.peak_mib.get((name, process.pid), 0.0))
