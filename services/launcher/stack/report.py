"""Look at the programs of a running stack, and restart one."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from services.launcher.stack import control, readiness
from services.launcher.stack.control import ProgramRefused, ProgramStatus
from services.launcher.stack.errors import NotRunning, UnknownService
from services.launcher.stack.layout import Layout, layout_of
from shared.units import MIB


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """One program with all its child processes."""

    name: str
    pid: int  # of its main process; 0 when it does not run
    state: str  # supervisord's word: RUNNING, STARTING, BACKOFF, STOPPED, ...
    rss_mib: float  # summed over the tree; pages that its processes share are counted once for each
    cpu_s: float  # since the start of the processes alive now


def processes(data_dir: Path | None = None) -> list[ProcessReport]:
    """Report on supervisord and every program of the stack; empty when none runs."""
    layout = layout_of(data_dir)
    try:
        with control.connect(layout) as supervisor:
            pid, statuses = supervisor.pid(), supervisor.statuses()
    except OSError:
        return []
    return [
        _measure("supervisord", pid, "RUNNING", with_children=False),
        *(_measure(status.name, status.pid, status.state, with_children=True) for status in statuses),
    ]


def restart_program(data_dir: Path | None, name: str) -> None:
    """Stop one program of a running stack, start it again and return when it has stayed up for a second.

    Raises NotRunning, UnknownService, NotReady.
    """
    layout = layout_of(data_dir)
    try:
        with control.connect(layout) as supervisor:
            supervisor.restart(_find(name, supervisor.statuses()))
    except ProgramRefused as error:
        raise readiness.not_ready(layout, name, str(error)) from error
    except OSError as error:
        raise _not_running(layout) from error


def _find(name: str, statuses: list[ProgramStatus]) -> ProgramStatus:
    by_name = {status.name: status for status in statuses}
    if name not in by_name:
        raise UnknownService(f"There is no program {name!r} in this stack; there are {', '.join(by_name)}.")
    return by_name[name]


def _not_running(layout: Layout) -> NotRunning:
    return NotRunning(f"No stack runs in {layout.data_dir}.")


def _measure(name: str, pid: int, state: str, *, with_children: bool) -> ProcessReport:
    import psutil

    rss_bytes, cpu_s = 0, 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        # supervisord's word for no process is 0, which to the kernel is a process of its own.
        tree = [psutil.Process(pid)] if pid else []
        if tree and with_children:
            tree += tree[0].children(recursive=True)
        for process in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                rss_bytes += process.memory_info().rss
                cpu_s += sum(process.cpu_times()[:2])
    return ProcessReport(name, pid, state, round(rss_bytes / MIB, 1), round(cpu_s, 2))
