"""Workers and the relay die at named points of their work; and messages hold what kills every worker."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest

from tests.chaos.conftest import QUICK, Clips
from tests.chaos.loads import as_wav, putting
from tests.chaos.misbehaving import CAME, POISON
from tests.chaos.observing import Observer, Outcome
from tests.chaos.processes import beside, environment
from tests.chaos.scale import scaled
from tests.support.stack import DERIVED, FullStack, until

Report = Callable[[Outcome], Outcome]
POINTS = ("after claim", "after decode", "after blob put", "before commit", "after commit", "after publish")
OURS = ("ingest", "embedder", "relay")


@pytest.fixture(scope="module")
def headless(mortal: FullStack) -> Iterator[FullStack]:
    """A stack whose workers and relay the tests run."""
    with ExitStack() as stopped:
        for name in OURS:
            stopped.enter_context(mortal.without(name))
        yield mortal


@pytest.fixture
def misbehaving(headless: FullStack, tmp_path: Path) -> Iterator[Path]:
    """The folder of faults still to come, of workers that run."""
    modules = [("tests.chaos.misbehaving", str(tmp_path), service) for service in OURS]
    with beside(environment(headless.state, QUICK), *modules):
        yield tmp_path


def test_a_crash_at_every_point(
    headless: FullStack, misbehaving: Path, clips: Clips, report: Report, tmp_path_factory: pytest.TempPathFactory
) -> None:
    observer = Observer(headless)
    n, each = scaled(2000, 240), scaled(10, 1)
    for point in POINTS:
        for number in range(each):
            (misbehaving / f"{point}.{number}").touch()
    with putting(headless, "crashes", as_wav(clips(n), tmp_path_factory.mktemp("wav"))):
        pass
    observer.wait("crashes", n)
    came = list(misbehaving.glob(f"{CAME}.*"))
    observer.faults_at = [float(path.read_text()) for path in came]
    outcome = report(observer.outcome(f"crash at each of {len(POINTS)} points", "crashes", n))
    assert Counter(path.name.split(".")[1] for path in came) == dict.fromkeys(POINTS, each)
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert orphans(headless) == set()


def orphans(target: FullStack) -> set[str]:
    """Blobs that nothing refers to."""
    there = {entry.object_name for entry in target.s3().list_objects(DERIVED, recursive=True)}
    return there - {key for (key,) in target.sql("SELECT derived_key FROM recording WHERE derived_key IS NOT NULL")}


def test_poison_is_buried_and_costs_nobody_else_anything(
    headless: FullStack, misbehaving: Path, clips: Clips, report: Report
) -> None:
    observer = Observer(headless)
    n, each = scaled(1000, 100), scaled(3, 1)
    headless.collection("poisoned", segmenter="whole", encoders=["spectral"])
    files = clips(n)
    kinds = [kind for kind in POISON for _ in range(each)]
    places = {round((i + 0.5) * n / len(kinds)): f"poison-{kind}" for i, kind in enumerate(kinds)}
    for place, clip in enumerate(files):
        headless.put(clip, f"poisoned/{places.get(place, 'sound')}/{clip.name}")
    began = monotonic()

    def settled() -> bool:
        ((n_open, n_dead),) = headless.sql(
            "SELECT count(*) FILTER (WHERE state <> 'dead'), count(*) FILTER (WHERE state = 'dead') FROM delivery"
        )
        return n_open == 0 and n_dead == len(kinds)

    until(settled, timeout_s=600, every_s=0.5)
    took_s = monotonic() - began
    dead = headless.sql(
        """SELECT split_part(e.data->>'key', '/', 2), d.error_code, d.last_error
           FROM delivery d JOIN event e USING (event_id)"""
    )
    headless.sql("DELETE FROM delivery WHERE state = 'dead' RETURNING 1")  # others count what is left to do
    outcome = observer.outcome(
        f"poison among sound work: {', '.join(POISON)}", "poisoned", n, note=f"{took_s:.0f} s in all"
    )
    report(Outcome(outcome.fault, n, len(kinds), outcome.lost - len(kinds), outcome.doubled, note=outcome.note))
    reasons = {
        "segfault": "lease_expired",
        "oom-killer": "lease_expired",
        "memory": "MemoryError",
        "hang": "time_limit",
        "exception": "RuntimeError",
    }
    assert Counter((kind, code) for kind, code, _ in dead) == {
        (f"poison-{kind}", code): each for kind, code in reasons.items()
    }
    assert all(reason for _, _, reason in dead)
    assert (outcome.lost, outcome.doubled) == (len(kinds), 0)
