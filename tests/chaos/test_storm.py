"""Everything is killed once while networks embed: nothing is lost or doubled, and vectors are those of a quiet run."""

from collections.abc import Callable
from time import sleep

import numpy as np

from tests.chaos import faults
from tests.chaos.conftest import Clips
from tests.chaos.loads import put_all, putting
from tests.chaos.observing import Observer, Outcome
from tests.chaos.scale import scaled
from tests.support.stack import FullStack

Report = Callable[[Outcome], Outcome]
FAULTS = ("embedder", "flush", "embedder", "valkey", "embedder", "postgres")
EVERY_S = 1.2
ENCODERS = ("ge2e",)
_VECTORS = """
    SELECT r.sha256, e.vector::real[] FROM embedding e JOIN segment s USING (segment_id)
    JOIN recording r ON r.recording_id = s.recording_id WHERE e.collection = %s
"""


def test_a_storm_of_kills_changes_no_vector(
    mortal: FullStack, observer: Observer, clips: Clips, report: Report
) -> None:
    files = clips(scaled(1000, 100))
    put_all(mortal, "quiet", files, ENCODERS)
    observer.wait("quiet", len(files))
    with putting(mortal, "struck", files, ENCODERS):
        for fault in FAULTS:
            sleep(EVERY_S)
            observer.fault()
            strike(mortal, fault)
    observer.wait("struck", len(files))
    outcome = report(observer.outcome("everything killed once while networks embed", "struck", len(files)))
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert not mortal.sql("SELECT FROM delivery WHERE state = 'dead'")
    quiet, storm = vectors(mortal, "quiet"), vectors(mortal, "struck")
    assert len(quiet) == len({path.read_bytes() for path in files})
    assert quiet.keys() == storm.keys()
    assert max(float(np.abs(storm[sha256] - quiet[sha256]).max()) for sha256 in quiet) < 1e-5


def strike(target: FullStack, fault: str) -> None:
    if fault == "flush":
        faults.valkey(target).flushall()
    else:
        faults.kill_program(target.data_dir, fault)


def vectors(target: FullStack, collection: str) -> dict[str, np.ndarray]:
    """By the hash of the audio."""
    return {sha256: np.array(vector, np.float32) for sha256, vector in target.sql(_VECTORS, collection)}
