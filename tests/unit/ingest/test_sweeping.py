"""How often the audio bucket is swept: every few seconds, and less often where a sweep takes long."""

import threading

import pytest

from services.ingest import watch
from services.ingest.watch import SWEEP_SHARE, Watcher

SWEEP_S = 3.0


class Bucket:
    """Whose sweeps take so long, one after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *took_s: float) -> None:
        self.now_s = 1000.0
        self.began_s: list[float] = []
        self._took_s = iter(took_s)
        monkeypatch.setattr(watch, "monotonic", lambda: self.now_s)

    def sweep(self) -> int:
        self.began_s.append(self.now_s)
        self.now_s += next(self._took_s)
        return 0


def begun(bucket: Bucket, n_sweeps: int) -> list[float]:
    """When each sweep began, after the first."""
    watcher = Watcher(bucket, SWEEP_S)
    watcher._drain = lambda wait_s: setattr(bucket, "now_s", bucket.now_s + wait_s) or set()
    while len(bucket.began_s) < n_sweeps:
        watcher.step(threading.Event())
    return [at - bucket.began_s[0] for at in bucket.began_s[1:]]


def test_a_bucket_that_takes_long_to_list_is_swept_less_often(monkeypatch):
    bucket = Bucket(monkeypatch, 20.0, 20.0, 20.0)
    assert begun(bucket, 3)[1] == pytest.approx(20 + SWEEP_S + 20 + 20 / SWEEP_SHARE)


def test_one_sweep_that_a_slow_network_held_up_delays_nothing(monkeypatch):
    bucket = Bucket(monkeypatch, 0.1, 4.0, 0.1, 0.1)
    assert begun(bucket, 4)[1:] == pytest.approx(
        [0.1 + SWEEP_S + 4 + SWEEP_S, 0.1 + SWEEP_S + 4 + SWEEP_S + 0.1 + SWEEP_S]
    )
