"""Workers are killed, frozen and asked to leave, in the middle of their work."""

import random
from collections.abc import Callable
from dataclasses import replace
from time import monotonic, sleep

from services.launcher import stack
from tests.chaos import faults
from tests.chaos.conftest import LEASE_S, Clips
from tests.chaos.loads import putting
from tests.chaos.observing import Observer, Outcome
from tests.chaos.scale import FULL, scaled
from tests.support.stack import FullStack, until

Report = Callable[[Outcome], Outcome]


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
    n, n_workers = scaled(20, 3), 3  # ingest, embedder, clusterer
    mortal.collection("frozen", segmenter="whole", encoders=["spectral"])
    recoveries_s = []
    for clip in clips(n):
        until(lambda: faults.listening(mortal) == n_workers)
        idle = faults.family(faults.program(mortal.data_dir, "ingest"))
        for process in idle:
            process.suspend()
        observer.fault()
        mortal.put(clip, f"frozen/{clip.name}")
        until(lambda: mortal.sql("SELECT FROM delivery WHERE state = 'queued'"))
        sleep(0.3)  # the message lies in a socket that nobody reads
        for process in idle:
            process.kill()
        began = monotonic()
        mortal.idle(timeout_s=60)
        recoveries_s.append(monotonic() - began)
    outcome = observer.outcome("an idle worker frozen, given work, killed", "frozen", n)
    report(replace(outcome, recoveries_s=recoveries_s))
    assert (outcome.lost, outcome.doubled) == (0, 0)


def test_whoever_was_frozen_for_two_leases_changes_nothing(
    mortal: FullStack, observer: Observer, clips: Clips, report: Report
) -> None:
    n, n_faults, rng = scaled(4000, 150), scaled(20, 2), random.Random(2)
    with putting(mortal, "leases", clips(n)):
        for _ in range(n_faults):
            victim = rng.choice(faults.workers(mortal.data_dir, rng.choice(faults.WORKERS)))
            observer.fault()
            with faults.frozen([victim]):
                sleep(2 * LEASE_S)
    observer.wait("leases", n)
    outcome = report(observer.outcome("a worker frozen for two leases", "leases", n))
    assert (outcome.lost, outcome.doubled) == (0, 0)


def test_workers_are_asked_to_leave_one_after_the_other(
    mortal: FullStack, observer: Observer, clips: Clips, report: Report
) -> None:
    n, rounds = scaled(2000, 200), scaled(5, 1)
    for turn in range(rounds):
        name = f"rolling-{turn}"
        with putting(mortal, name, clips(n)):
            for worker in faults.WORKERS:
                sleep(0.5)
                observer.fault()
                stack.restart_program(mortal.data_dir, worker)  # TERM, and killed after 60 s
        observer.wait(name, n)
        outcome = observer.outcome(f"rolling restart, round {turn + 1}", name, n)
        assert (outcome.lost, outcome.doubled) == (0, 0)
    outcome = report(observer.outcome(f"rolling restart, {rounds} x {n}", name, n))
    assert outcome.repeats <= 0.02 * outcome.claims


def test_relay_and_reconciler_are_killed(mortal: FullStack, observer: Observer, clips: Clips, report: Report) -> None:
    n, n_faults = scaled(2000, 200), scaled(10, 2)
    with putting(mortal, "carriers", clips(n)):
        for fault in range(n_faults):
            sleep(1.0)
            observer.fault()
            faults.kill_program(mortal.data_dir, ("relay", "reconciler")[fault % 2])
    observer.wait("carriers", n)
    outcome = report(observer.outcome("relay and reconciler killed in turn", "carriers", n))
    assert (outcome.lost, outcome.doubled) == (0, 0)
