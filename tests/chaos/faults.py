"""What goes wrong: processes are killed and frozen, as the machine under them would."""

import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import redis

from services.launcher.stack import control
from services.launcher.stack.layout import Layout
from tests.support.processes import kill_program, program
from tests.support.stack import FullStack

WORKERS = ("ingest", "embedder")


def workers(data_dir: Path, name: str) -> list[psutil.Process]:
    """The processes of a worker that do its tasks; they have the main process's command line."""
    main = program(data_dir, name)
    command = main.cmdline()
    return [child for child in main.children() if _is(child, command)]


def _is(process: psutil.Process, command: list[str]) -> bool:
    try:
        return process.cmdline() == command
    except psutil.Error:
        return False


def kill_a_worker(data_dir: Path, rng: random.Random, freeze: bool = False) -> None:
    """SIGKILL a process that works, frozen before or not; now and then the whole worker with all its processes."""
    name = rng.choice(WORKERS)
    if not freeze and rng.random() < 0.2:
        kill_program(data_dir, name)
        return
    with suppress(psutil.Error, IndexError):  # this one is being started again
        victim = rng.choice(workers(data_dir, name))
        if freeze:
            victim.send_signal(signal.SIGSTOP)
        victim.send_signal(signal.SIGKILL)


def starts(data_dir: Path, name: str) -> int:
    """How often supervisord has started a program of the stack."""
    return Layout(data_dir).log_file("supervisord").read_text().count(f"INFO spawned: '{name}' with pid")


def exit_status(data_dir: Path, name: str) -> int:
    """With which a program of the stack that is stopped has ended; -1 if it was killed."""
    with control.connect(Layout(data_dir)) as supervisor:
        return int(supervisor._rpc.getProcessInfo(f"services:{name}")["exitstatus"])


def lives(pid: int) -> bool:
    """Whether a process is there, and is not only waited for."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


@contextmanager
def frozen(processes: list[psutil.Process]) -> Iterator[None]:
    """Stopped in the middle of whatever they did; they go on afterwards, knowing nothing of it."""
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


def family(process: psutil.Process) -> list[psutil.Process]:
    """A process and all that it has started."""
    return [process, *process.children(recursive=True)]


def listens(target: FullStack, worker: psutil.Process) -> bool:
    """Whether a worker waits for the next message, in a blocking read of Valkey, which lasts a second."""
    ports = {connection.laddr.port for connection in worker.net_connections("tcp")}
    blocked = (client["addr"] for client in valkey(target).client_list() if "b" in client["flags"])
    return any(int(address.rpartition(":")[2]) in ports for address in blocked)


def valkey(target: FullStack) -> redis.Redis:
    """The broker, as a client sees it."""
    return redis.Redis.from_url(target.state.redis_url)


def swallowed(target: FullStack, queue: str) -> bool:
    """Whether a message that was just pushed has been handed to somebody: it is in the queue no more."""
    return valkey(target).llen(queue) == 0
