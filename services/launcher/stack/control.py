"""Talk to a running supervisord: what its programs do, start, stop."""

import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from services.launcher.stack.layout import Layout
from services.launcher.stack.programs import Group


@dataclass(frozen=True, slots=True)
class ProgramStatus:
    """One program as supervisord sees it."""

    name: str
    group: str
    state: str  # STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL
    pid: int  # 0 when it does not run
    started_at_s: int  # Unix time
    trouble: str  # why the last start failed, if it did

    @classmethod
    def parse(cls, row: dict[str, Any]) -> Self:
        """From one entry of supervisord's getAllProcessInfo."""
        return cls(row["name"], row["group"], row["statename"], row["pid"], row["start"], row["spawnerr"])


class ProgramRefused(Exception):  # private to the package; its callers know which program it was
    """The program could not be started or stopped."""


class Supervisor:
    """One open line to supervisord. Any call may raise OSError when it is not there."""

    def __init__(self, proxy: Any) -> None:
        self._rpc = proxy.supervisor

    def statuses(self) -> list[ProgramStatus]:
        """Every program, running or not."""
        return [ProgramStatus.parse(row) for row in self._rpc.getAllProcessInfo()]

    def pid(self) -> int:
        """Of supervisord itself."""
        return int(self._rpc.getPID())

    def start_group(self, group: Group) -> None:
        """Start all programs of a group and return at once."""
        self._rpc.startProcessGroup(group, False)

    def restart(self, status: ProgramStatus) -> None:
        """Stop one program, wait until it is gone, start it again and wait until it stands. Raises ProgramRefused."""
        name = f"{status.group}:{status.name}"
        try:
            if status.state in {"STARTING", "RUNNING", "BACKOFF"}:
                self._rpc.stopProcess(name)
            self._rpc.startProcess(name)
        except xmlrpc.client.Fault as fault:
            raise ProgramRefused(fault.faultString) from fault


@contextmanager
def connect(layout: Layout) -> Iterator[Supervisor]:
    """Call the supervisord of this data directory."""
    from supervisor.xmlrpc import SupervisorTransport  # of the extra `local`

    transport = SupervisorTransport(None, None, f"unix://{layout.socket('supervisor')}")
    try:
        # The host is never used, but xmlrpc wants one.
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            yield Supervisor(proxy)
    finally:
        transport.close()


def statuses_of(layout: Layout) -> list[ProgramStatus]:
    """What every program of this data directory does; raises OSError when its supervisord is not there."""
    with connect(layout) as supervisor:
        return supervisor.statuses()
