"""Find and end the processes of one data directory, those of a run whose supervisord is gone included; no others."""

import signal
import time

import psutil

from services.launcher.stack.errors import StackError
from services.launcher.stack.layout import Layout

MARKER = "EARMARK_STACK_OF"
"""Every process that a stack starts carries its data directory in this variable.

Not EARMARK_DATA_DIR: people export that one, and their shells and editors are none of ours.
"""

_POSTGRES, _VALKEY = "postgres", "valkey-server"
_ORDERLY_S = 150.0  # supervisord stops the services (60 s for a worker's task at hand), then the servers
_ORPHANS_S = 10.0
_POLL_S = 0.02
_ROUNDS = 3


def members(layout: Layout) -> list[psutil.Process]:
    """All living processes of this data directory."""
    # A command run inside the stack, by one of its programs, must not find itself and its callers.
    spared = {psutil.Process().pid, *(parent.pid for parent in psutil.Process().parents())}
    return [process for process in psutil.process_iter() if process.pid not in spared and _belongs(process, layout)]


def is_supervisor(pid: int, layout: Layout) -> bool:
    """Whether this process is the living supervisord of this data directory, and not a later owner of its number."""
    try:
        process = psutil.Process(pid)
        return _belongs(process, layout) and str(layout.supervisor_file) in process.cmdline()
    except psutil.Error:
        return False


def end_all(layout: Layout) -> bool:
    """End every process of this data directory in good order; False if there was none.

    What does not stop in time is killed. The work of a killed worker is not lost: its lease runs out and the ledger
    hands it on. Raises StackError if even that does not help.
    """
    found = members(layout)
    for _ in range(_ROUNDS):
        remaining = members(layout)  # the last of the dying may have started something
        if not remaining:
            return bool(found)
        _end(remaining, layout)
    numbers = ", ".join(str(process.pid) for process in members(layout))
    raise StackError(f"These processes of {layout.data_dir} do not end: {numbers}.")


def _end(processes: list[psutil.Process], layout: Layout) -> None:
    """Ask those at the top, who know how to stop their own; kill whoever is left after a while."""
    pids = {process.pid for process in processes}
    grace_s = _ORPHANS_S
    for process in processes:
        if is_supervisor(process.pid, layout):
            grace_s = _ORDERLY_S
        if _parent_of(process) not in pids:
            _signal(process, signal.SIGINT if _name(process) == _POSTGRES else signal.SIGTERM)
    _wait_until_gone(processes, grace_s)
    for process in processes:
        if _is_alive(process):
            _signal(process, signal.SIGKILL)
    _wait_until_gone(processes, _ORPHANS_S)


def _belongs(process: psutil.Process, layout: Layout) -> bool:
    try:
        if process.environ().get(MARKER) == str(layout.data_dir):
            return _is_alive(process)
        # These two write their titles over their environment, but stand in the folder of their files.
        homes = {_POSTGRES: layout.postgres, _VALKEY: layout.valkey}
        name = process.name()
        return name in homes and process.cwd() == str(homes[name]) and _is_alive(process)
    except (psutil.Error, OSError):
        return False


def _is_alive(process: psutil.Process) -> bool:
    try:
        # In a container without an init, nobody collects the dead.
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _wait_until_gone(processes: list[psutil.Process], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while any(map(_is_alive, processes)) and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def _parent_of(process: psutil.Process) -> int | None:
    try:
        return int(process.ppid())
    except psutil.Error:
        return None


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:
        return ""


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return  # it went by itself
