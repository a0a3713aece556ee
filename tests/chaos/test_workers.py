"""Workers are killed, frozen and asked to leave, in the middle of their work."""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic, sleep, time

import psutil
import pytest

from tests.chaos import faults
from tests.chaos.conftest import LEASE_S, QUICK, Clips
from tests.chaos.loads import putting
from tests.chaos.observing import Observer, Outcome
from tests.chaos.processes import Kept, beside, environment
from tests.chaos.scale import FULL, scaled
from tests.support.stack import FullStack, until

Report = Callable[[Outcome], Outcome]
LEAVES_S = 60.0  # as promised: a worker that is asked to
CARRIERS = {"relay": "shared.ledger.relay", "reconciler": "shared.ledger.reconcile"}


def test_a_storm_of_kills(mortal: FullStack, observer: Observer, clips: Clips, report: Report) -> None:
    n, n_faults, n_frozen, rng = scaled(4000, 300), scaled(25, 6), scaled(5, 2), random.Random(1)
    with putting(mortal, "storm", clips(n)):
        for fault in range(n_faults):
            sleep(1.0)
            observer.fault()
            faults.kill_a_worker(mortal.data_dir, rng, freeze=fault < n_frozen)
    observer.wait("storm", n)
    outcome = report(observer.outcome("workers killed, some of them frozen before", "storm", n))
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert outcome.repeats <= 0.1 * outcome.claims or not FULL  # few segments lie in few messages


def test_work_is_pushed_to_a_frozen_worker_which_is_killed(
    mortal: FullStack, observer: Observer, clips: Clips, report: Report
) -> None:
    n, n_sent = scaled(20, 3), 0
    mortal.collection("frozen", segmenter="whole", encoders=["spectral"])
    recoveries_s: list[float] = []
    for clip in clips(3 * n):
        worker = faults.program(mortal.data_dir, "ingest")
        with faults.frozen([faults.program(mortal.data_dir, "relay")]):
            mortal.put(clip, f"frozen/{clip.name}")
            until(lambda: mortal.sql("SELECT FROM delivery WHERE state = 'pending'"))
            until(lambda worker=worker: faults.listens(mortal, worker))
            idle = faults.family(worker)
            for process in idle:
                process.suspend()
        n_sent += 1
        until(lambda: mortal.sql("SELECT FROM delivery WHERE state = 'queued'"))
        sleep(0.5)  # sent, too
        hit = faults.swallowed(mortal, "earmark:ingest")  # else it had just looked, and the message waits for the next
        for process in idle:
            process.kill()
        began = monotonic()
        mortal.idle(timeout_s=60)
        if hit:
            observer.faults_at.append(began)
            recoveries_s.append(monotonic() - began)
        if len(recoveries_s) == n:
            break
    outcome = observer.outcome("an idle worker frozen, given work, killed", "frozen", n_sent)
    report(replace(outcome, recoveries_s=recoveries_s))
    assert len(recoveries_s) == n
    assert (outcome.lost, outcome.doubled) == (0, 0)


def test_whoever_was_frozen_for_two_leases_changes_nothing(
    mortal: FullStack, observer: Observer, clips: Clips, report: Report
) -> None:
    """All processes of a worker freeze while they hold work; it is handed on, and they come back with an old fence."""
    n_faults, each = scaled(20, 2), scaled(50, 25)
    files = clips(5 * n_faults * each)
    mortal.collection("leases", segmenter="whole", encoders=["ge2e"])
    n_sent = 0
    while len(observer.faults_at) < n_faults:
        assert n_sent < len(files), "no worker could be frozen at its work"
        name = faults.WORKERS[len(observer.faults_at) % 2]
        victims = faults.workers(mortal.data_dir, name)
        for clip in files[n_sent : n_sent + each]:
            mortal.put(clip, f"leases/{clip.parent.name}/{clip.name}")
        n_sent += each
        held = "SELECT FROM delivery WHERE state = 'leased' AND subscription LIKE %s"
        until(lambda held=held, name=name: mortal.sql(held, f"{name}.%"), every_s=0.001)
        at = time()
        with faults.frozen(victims):
            sleep(2 * LEASE_S)
            handed_on = "SELECT FROM delivery WHERE error_code = 'lease_expired' AND subscription LIKE %s"
            observer.faults_at += [at] if mortal.sql(handed_on, f"{name}.%") else []  # else it had just finished
        mortal.idle(timeout_s=60)
    outcome = report(observer.outcome("a worker frozen for two leases at its work", "leases", n_sent))
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert outcome.repeats >= n_faults


def test_workers_are_asked_to_leave_one_after_the_other(
    mortal: FullStack, observer: Observer, clips: Clips, report: Report
) -> None:
    n, rounds = scaled(2000, 200), scaled(5, 1)
    left_s: list[float] = []
    for turn in range(rounds):
        name = f"rolling-{turn}"
        with putting(mortal, name, clips(n)):
            for worker in faults.WORKERS:
                sleep(0.5)
                observer.fault()
                began = monotonic()
                with mortal.without(worker):  # TERM, and killed after 60 s
                    left_s.append(monotonic() - began)
                    assert faults.exit_status(mortal.data_dir, worker) == 0, "it did not leave by itself"
        observer.wait(name, n)
        outcome = observer.outcome(f"rolling restart, round {turn + 1}", name, n)
        assert (outcome.lost, outcome.doubled) == (0, 0)
    told = f"each left within {max(left_s):.1f} s"
    outcome = report(observer.outcome(f"rolling restart, {rounds} x {n}", name, n, note=told))
    assert max(left_s) <= LEAVES_S
    assert outcome.repeats <= 0.02 * outcome.claims


@dataclass(frozen=True)
class Twice:
    """A stack with two relays and two reconcilers: its own, and one of each beside it."""

    stack: FullStack
    beside: dict[str, Kept]

    def pid(self, name: str, *, own: bool) -> int:
        """Of the process that carries now, or is being started."""
        return faults.program(self.stack.data_dir, name).pid if own else self.beside[name].pid

    def kill(self, name: str, *, own: bool) -> None:
        """Until somebody starts it again, the other one is alone."""
        with suppress(psutil.NoSuchProcess):
            psutil.Process(self.pid(name, own=own)).kill()

    def instances(self, name: str) -> set[int]:
        """Process ids of those that got through their loop since they were started, and live."""
        beats = self.stack.sql("SELECT instance FROM heartbeat WHERE service = %s", name)
        pids = {int(instance.rpartition(":")[2]) for (instance,) in beats}
        return {pid for pid in pids & {self.pid(name, own=own) for own in (True, False)} if faults.lives(pid)}

    def whole(self, *names: str) -> bool:
        """Whether there are two of each."""
        return all(len(self.instances(name)) == 2 for name in names)


@pytest.fixture
def twice(mortal: FullStack) -> Iterator[Twice]:
    with beside(environment(mortal.state, QUICK), *[(module,) for module in CARRIERS.values()]) as kept:
        there = Twice(mortal, dict(zip(CARRIERS, kept, strict=True)))
        until(lambda: there.whole(*CARRIERS))
        yield there


def test_relays_and_reconcilers_two_of_each_are_killed(
    mortal: FullStack, observer: Observer, twice: Twice, clips: Clips, report: Report
) -> None:
    n, n_faults = scaled(2000, 200), scaled(10, 2)
    with putting(mortal, "carriers", clips(n)):
        for fault in range(n_faults):
            name = ("relay", "reconciler")[fault % 2]
            sleep(0.5)
            until(lambda name=name: twice.whole(name))
            observer.fault()
            twice.kill(name, own=fault % 4 in {0, 3})
        until(lambda: twice.whole(*CARRIERS))
    observer.wait("carriers", n)
    outcome = report(observer.outcome("relay and reconciler, two of each, killed in turn", "carriers", n))
    assert (outcome.lost, outcome.doubled) == (0, 0)
