"""Files come all the time, and again and again something is killed: for half an hour by `make soak`, seconds else."""

import random
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from os import environ
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

import numpy as np
import psutil
import pytest
import redis

from services.launcher import stack
from shared.units import MIB
from tests.chaos import faults
from tests.chaos.conftest import Clips
from tests.chaos.observing import Observer, Outcome
from tests.support.stack import FullStack

Report = Callable[[Outcome], Outcome]

MINUTES: Final = float(environ.get("EARMARK_SOAK_MINUTES", "0.2"))
FILES_PER_S: Final = 12.0  # 21,600 in half an hour
FAULT_EVERY_S: Final = 3.0 if MINUTES < 1 else 20.0  # most faults are over by then
LONG_MINUTES: Final = 10.0  # from here on memory must not grow
MOST_GROWTH: Final = 1.1
MIN_SAMPLES: Final = 60
WATCHED: Final = ("relay", "reconciler", "watch", "ingest", "embedder", "clusterer", "console")


def test_a_soak(mortal: FullStack, observer: Observer, clips: Clips, report: Report) -> None:
    files = clips(max(50, int(MINUTES * 60 * FILES_PER_S)))
    rng = random.Random(20)
    mortal.collection("soak", segmenter="whole", encoders=["spectral"])
    memory = Memory(mortal.data_dir)
    began, over = monotonic(), threading.Event()
    keeper = threading.Thread(target=memory.keep, args=(over,), daemon=True)
    keeper.start()
    next_fault_s = FAULT_EVERY_S
    for number, clip in enumerate(files):
        mortal.put(clip, f"soak/{clip.parent.name}/{clip.name}")
        if monotonic() - began > next_fault_s:
            observer.fault()
            rng.choice(FAULTS)(mortal, rng)
            next_fault_s += FAULT_EVERY_S * rng.uniform(0.5, 1.5)
        over.wait(max(0.0, began + number / FILES_PER_S - monotonic()))
    observer.wait("soak", len(files), timeout_s=300)
    over.set()
    keeper.join()
    minutes = (monotonic() - began) / 60
    growth = growth_of(memory.samples)
    note = f"{minutes:.0f} min; memory of our processes {growth or 'not measured: too short'}"
    outcome = report(observer.outcome("a soak: something is killed or emptied all the time", "soak", len(files), note))
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert not mortal.sql("SELECT FROM delivery WHERE state = 'dead'")
    if minutes >= LONG_MINUTES:
        assert growth is not None
        assert growth.last_mib <= MOST_GROWTH * growth.first_mib, growth


def _worker(target: FullStack, rng: random.Random) -> None:
    faults.kill_a_worker(target.data_dir, rng, freeze=rng.random() < 0.3)


def _carrier(target: FullStack, rng: random.Random) -> None:
    faults.kill_program(target.data_dir, rng.choice(("relay", "reconciler", "watch", "console")))


def _server(target: FullStack, rng: random.Random) -> None:
    faults.kill_program(target.data_dir, rng.choice(("valkey", "postgres", "clusterer")))


def _emptied(target: FullStack, rng: random.Random) -> None:
    del rng
    with suppress(redis.ConnectionError):
        faults.valkey(target).flushall()


def _rolled(target: FullStack, rng: random.Random) -> None:
    stack.restart_program(target.data_dir, rng.choice(faults.WORKERS))


FAULTS: Final = (_worker, _worker, _carrier, _server, _emptied, _rolled)


@dataclass
class Memory:
    """What all of our processes hold together, shared pages counted once."""

    data_dir: Path
    samples: list[tuple[float, float]] = field(default_factory=list)  # seconds, MiB

    def keep(self, over: threading.Event) -> None:
        """Look every few seconds; a moment at which one of the programs is away does not count."""
        began = monotonic()
        while not over.wait(2.0):
            with suppress(psutil.Error):
                running = {p.name: p.pid for p in stack.processes(self.data_dir)}
                families = [faults.family(psutil.Process(running[name])) for name in WATCHED if name in running]
                if len(families) == len(WATCHED):
                    held = sum(p.memory_full_info().pss for family in families for p in family)
                    self.samples.append((monotonic() - began, held / MIB))


class Growth(NamedTuple):
    """Of what our processes hold: medians of the first and the last quarter, and a line through all samples."""

    first_mib: float
    last_mib: float
    mib_per_hour: float
    n: int

    def __str__(self) -> str:
        return (
            f"{self.first_mib:.0f} MiB in the first quarter, {self.last_mib:.0f} in the last, slope "
            f"{self.mib_per_hour:+.0f} MiB an hour over {self.n} samples"
        )


def growth_of(samples: Sequence[tuple[float, float]]) -> Growth | None:
    """None of less than two minutes."""
    if len(samples) < MIN_SAMPLES:
        return None
    at_s, held_mib = np.array(samples).T
    quarter = len(samples) // 4
    slope = np.polyfit(at_s / 3600, held_mib, 1)[0]
    first, last = np.median(held_mib[:quarter]), np.median(held_mib[-quarter:])
    return Growth(float(first), float(last), float(slope), len(samples))


def test_memory_that_grows_is_seen() -> None:
    growing = growth_of([(2.0 * n, 800.0 + n) for n in range(300)])
    assert growing == pytest.approx((837.0, 1062.0, 1800.0, 300))
    assert growing.last_mib > MOST_GROWTH * growing.first_mib
