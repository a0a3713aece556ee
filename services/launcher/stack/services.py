"""Earmark's own processes on one machine: their command lines and how many of each."""

import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Self

from pydantic import BaseModel, Field

from services.launcher.stack import processors
from services.launcher.stack.errors import UnknownService
from services.launcher.stack.layout import Layout
from services.launcher.stack.ports import LOOPBACK
from services.launcher.stack.programs import Program
from shared.ledger.routes import queues_of

_WORKER_STOP_S = 60
"""TERM lets a worker end the task at hand; one that takes longer is killed, and its lease hands the work on.

Celery's soft shutdown (REMAP_SIGTERM=SIGQUIT) is no better bounded and worse: with a task at hand, of 4 s say, it
sleeps through all of its timeout (47 s instead of 5, Celery 5.7.0).
"""

# One thread a process: their pools would fight each other for the same cores (measured 2.4 times slower).
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Sizes(BaseModel):
    """How many processes of a kind, from `EARMARK_STACK__*`."""

    ingest_processes: int = Field(2, ge=1)
    embedder_processes: int | None = Field(None, ge=1)  # None: one a core, up to the cap
    embedder_processes_cap: int = Field(4, ge=1)
    ready_timeout_s: float = Field(120.0, gt=0)

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Self:
        """Read them from an environment."""
        named = {name: env.get(f"EARMARK_STACK__{name.upper()}") for name in cls.model_fields}
        return cls.model_validate({name: value for name, value in named.items() if value})

    @property
    def embedders(self) -> int:
        """Embedding processes when there is no GPU."""
        return self.embedder_processes or min(processors.cores(), self.embedder_processes_cap)


@dataclass(frozen=True, slots=True)
class _Site:
    """What the command lines depend on."""

    layout: Layout
    ports: Mapping[str, int]
    sizes: Sizes
    gpus: tuple[str, ...]


def programs_for(
    names: Collection[str], layout: Layout, ports: Mapping[str, int], env: Mapping[str, str]
) -> list[Program]:
    """The programs of the services named."""
    site = _Site(layout, ports, Sizes.of(env), processors.gpus(env))
    return [_measured(program, ports) for program in _programs(names, site)]


def metrics_ports(names: Collection[str], layout: Layout, env: Mapping[str, str]) -> tuple[str, ...]:
    """What ports are wanted for where the services named answer Prometheus; the console does so at its own."""
    site = _Site(layout, defaultdict(int), Sizes.of(env), processors.gpus(env))
    return tuple(f"{_METRICS}{one.name}" for one in _programs(set(names) - {"console", "flower"}, site))


_METRICS = "metrics-"


def _programs(names: Collection[str], site: _Site) -> list[Program]:
    return [program for name, build in _BUILDERS.items() if name in names for program in build(site)]


def _measured(program: Program, ports: Mapping[str, int]) -> Program:
    port = ports.get(f"{_METRICS}{program.name}")
    if port is None:
        return program
    own = {"EARMARK_METRICS__HOST": LOOPBACK, "EARMARK_METRICS__PORT": str(port)}
    return replace(program, environment={**program.environment, **own})


def checked(names: Collection[str] | None) -> tuple[str, ...]:
    """The services named, in the order they are started; all for None. Raises UnknownService."""
    if names is None:
        return SERVICES
    if strange := sorted(set(names) - set(SERVICES)):
        raise UnknownService(f"There is no service {', '.join(strange)}; there are {', '.join(SERVICES)}.")
    return tuple(name for name in SERVICES if name in names)


def _module(name: str, module: str) -> Callable[[_Site], list[Program]]:
    def build(site: _Site) -> list[Program]:
        return [Program(name, "services", (sys.executable, "-m", module), site.layout.run)]

    return build


def _ingest(site: _Site) -> list[Program]:
    return [_worker(site, "ingest", "ingest", site.sizes.ingest_processes)]


def _clusterer(site: _Site) -> list[Program]:
    return [_worker(site, "clusterer", "clusterer", 1)]


def _embedder(site: _Site) -> list[Program]:
    """One worker of many processes on a CPU; on GPUs a worker each, with one process that sees one device."""
    if not site.gpus:
        return [_worker(site, "embedder", "embedder", site.sizes.embedders)]
    if len(site.gpus) == 1:
        return [_worker(site, "embedder", "embedder", 1, {"CUDA_VISIBLE_DEVICES": site.gpus[0]})]
    return [
        _worker(site, f"embedder-gpu{index}", "embedder", 1, {"CUDA_VISIBLE_DEVICES": gpu})
        for index, gpu in enumerate(site.gpus)
    ]


def _worker(
    site: _Site, name: str, service: str, concurrency: int, environment: Mapping[str, str] | None = None
) -> Program:
    command = (
        *_celery(service),
        "worker",
        f"--queues={','.join(queues_of(service))}",
        f"--hostname={name}@%h",
        f"--concurrency={concurrency}",
        "--task-events",
        # Workers need not know of each other; mingling would delay each start by a second.
        "--without-gossip",
        "--without-mingle",
    )
    environment = {**_ONE_THREAD, **(environment or {})}
    return Program(name, "services", command, site.layout.run, environment, stop_wait_s=_WORKER_STOP_S)


def _flower(site: _Site) -> list[Program]:
    # No password: it listens on loopback only, and a laptop has one user. On a machine that others log in to, they
    # could look at queues and task ids (never at audio or names) and stop workers; there, leave `flower` out.
    command = (*_celery("ingest"), "flower", f"--address={LOOPBACK}", f"--port={site.ports['flower']}")
    return [Program("flower", "services", command, site.layout.run)]


def _celery(service: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "celery", "-A", f"services.{service}.tasks")


_BUILDERS: Mapping[str, Callable[[_Site], list[Program]]] = {
    "relay": _module("relay", "shared.ledger.relay"),
    "reconciler": _module("reconciler", "shared.ledger.reconcile"),
    "watch": _module("watch", "services.ingest.watch"),
    "ingest": _ingest,
    "embedder": _embedder,
    "clusterer": _clusterer,
    "console": _module("console", "services.console.main"),
    "flower": _flower,
}

SERVICES = tuple(_BUILDERS)
"""Every service that a stack can run."""
