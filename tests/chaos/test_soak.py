"""Files come all the time, and again and again something is killed: for half an hour by `make soak`, seconds else."""

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from os import environ
from pathlib import Path
from time import monotonic
from typing import Final

import numpy as np
import psutil
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
    note = f"{minutes:.0f} min; memory of our processes {memory.summary()}"
    outcome = report(observer.outcome("a soak: something is killed or emptied all the time", "soak", len(files), note))
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert not mortal.sql("SELECT FROM delivery WHERE state = 'dead'")


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

    def summary(self) -> str:
        """First and last quarter of the samples, and the slope of a line through all but the first quarter."""
        held = np.array(self.samples)
        if len(held) < 60:
            return "not measured: too short"
        quarter = len(held) // 4
        slope = np.polyfit(held[quarter:, 0] / 3600, held[quarter:, 1], 1)[0]
        first, last = np.median(held[:quarter, 1]), np.median(held[-quarter:, 1])
        return f"{first:.0f} MiB in the first quarter, {last:.0f} in the last, slope {slope:+.0f} MiB an hour"
