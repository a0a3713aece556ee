"""Run a worker, or the relay, with faults built in: `python -m tests.chaos.misbehaving FOLDER SERVICE`.

FOLDER holds a file for each time that a fault may still come, named `point.number`; the fault that came renames it to
`came.point.number` and writes the time into it. So faults are shared out among all processes, and none comes twice.
"""

import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Final

from shared.ledger import claims, consumer
from shared.ledger.consumer import Commit, Delivered, Work
from shared.units import MIB

SPACING_S = 1.0  # after one crash: work that is interrupted again and again would be buried, and rightly
SOFT_LIMIT_S = 3
CAME = "came"
SPARE_BYTES: Final = 256 * MIB  # beyond what its process holds, for who eats all memory


def main(folder: Path, service: str) -> None:
    """Never returns before the process is asked to end."""
    if service == "relay":
        from shared.ledger import relay

        after(relay.Relay, "_send", lambda _: crash(folder, "after publish"))
        relay.main()
        return
    from services.embedder import tasks as embedder
    from services.ingest import tasks as ingest
    from services.ingest.decode.sandbox import Decoder
    from shared.storage.objects import ObjectStore

    after(consumer, "_claim", lambda claimed: claimed and crash(folder, "after claim"))
    after(Decoder, "decode", lambda _: crash(folder, "after decode"))
    after(ObjectStore, "put_file", lambda _: crash(folder, "after blob put"))
    before(claims, "finish", lambda: crash(folder, "before commit"))
    crash_after_commit(folder)
    poison_register()
    app = {"ingest": ingest, "embedder": embedder}[service].app
    app.conf.task_soft_time_limit = SOFT_LIMIT_S
    app.worker_main(worker_options(service))


def worker_options(service: str) -> list[str]:
    """As the stack starts its workers."""
    from shared.ledger.routes import queues_of

    queues = f"--queues={','.join(queues_of(service))}"
    return ["worker", queues, f"--hostname={service}@%h", "--concurrency=2", "--without-gossip", "--without-mingle"]


def crash(folder: Path, point: str) -> None:
    """Be killed, if there is a fault left for this point and the last one is not too near."""
    came = [time.time() - path.stat().st_mtime for path in folder.glob(f"{CAME}.*")]
    if came and min(came) < SPACING_S * random.uniform(0.5, 1.5):  # spreads faults, hides no secret
        return
    for token in folder.glob(f"{point}.*"):
        try:
            taken = token.rename(folder / f"{CAME}.{token.name}")
        except FileNotFoundError:
            continue
        taken.write_text(repr(time.time()))
        os.kill(os.getpid(), signal.SIGKILL)


def after(owner: Any, name: str, then: Callable[[Any], object]) -> None:
    """Do something each time that a function has returned."""
    original = getattr(owner, name)

    @wraps(original)
    def wrapped(*args: Any, **named: Any) -> Any:
        result = original(*args, **named)
        then(result)
        return result

    setattr(owner, name, wrapped)


def before(owner: Any, name: str, first: Callable[[], object]) -> None:
    """Do something each time before a function is called."""
    original = getattr(owner, name)

    @wraps(original)
    def wrapped(*args: Any, **named: Any) -> Any:
        first()
        return original(*args, **named)

    setattr(owner, name, wrapped)


def crash_after_commit(folder: Path) -> None:
    """The transaction is written, and nobody hears of it."""
    original = Work.commit

    @contextmanager
    def commit(self: Work, delivered: Sequence[Delivered] | None = None) -> Iterator[Commit]:
        with original(self, delivered) as committing:
            yield committing
        crash(folder, "after commit")

    Work.commit = commit  # type: ignore[method-assign]  # what it is for


def _raise() -> None:
    raise RuntimeError("poisoned")


def _eat_memory() -> None:
    """Take more and more, as who believes the length in a file does, until the kernel gives no more."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    held_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held_bytes + SPARE_BYTES, before[1]))
    eaten = []
    try:
        while True:
            eaten.append(bytearray(MIB))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


POISON: dict[str, Callable[[], object]] = {
    "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "oom-killer": lambda: os.kill(os.getpid(), signal.SIGKILL),  # as the kernel does when there is no memory left
    "memory": _eat_memory,
    "hang": lambda: time.sleep(1e6),
    "exception": _raise,
}


def poison_register() -> None:
    """A message with an object whose key names a poison does to its worker what the key says."""
    from services.ingest import handlers

    original = handlers.register

    def register(work: Work, ingest: Any) -> None:
        for delivered in work.delivered:
            for kind, act in POISON.items():
                if f"poison-{kind}" in delivered.event.key:
                    act()
        original(work, ingest)

    handlers.register = register


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
