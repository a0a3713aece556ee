"""When the audio bucket is swept: every few seconds, less often where that takes long, and never in a hint's way."""

import inspect
import threading
from collections.abc import Callable
from itertools import pairwise

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

    def sweep(self, *_: object) -> int:
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


def test_nor_do_several_of_them(monkeypatch):
    slow = [7.5, 6.5, 7.8, 8.6]  # as the network to Postgres was slow, then throttled, in tests/chaos
    bucket = Bucket(monkeypatch, 0.1, *slow, 0.1)
    began = begun(bucket, 6)
    assert [after - at for at, after in pairwise(began)] == pytest.approx([took + SWEEP_S for took in slow])


class Pages:
    """A bucket of so many pages a prefix; notes who is looked at in what order, and gives a hint on the way."""

    def __init__(self, n_pages: int, hints: dict[tuple[str, int], list[str]]) -> None:
        self.seen: list[object] = []
        self.watcher = Watcher(self, SWEEP_S)
        self._n_pages = n_pages
        self._hints = hints
        self.deepest = 0

    def look(self, keys: set[str]) -> int:
        self.seen.append(sorted(keys))
        return 0

    def sweep(self, prefix: str, between: Callable[[], None]) -> int:
        self.deepest = max(self.deepest, len(inspect.stack()))
        for page in range(self._n_pages):
            self.seen.append((prefix, page))
            self.watcher.heard(self._hints.pop((prefix, page), []))
            between()
        return 0


def test_a_hint_is_followed_between_two_pages_of_a_long_sweep():
    bucket = Pages(3, {("", 0): ["ten/a.wav"]})
    bucket.watcher.step(threading.Event())
    assert bucket.seen == [("", 0), ["ten/a.wav"], ("", 1), ("", 2)]


def test_a_hint_to_another_prefix_is_followed_between_two_pages():
    bucket = Pages(2, {("", 0): ["ten/"]})
    bucket.watcher.step(threading.Event())
    assert bucket.seen == [("", 0), ("ten/", 0), ("ten/", 1), ("", 1)]


def test_hints_to_ever_other_prefixes_do_not_pile_up():
    """Else each would be listed within the last one, as deep as there are collections."""
    hints = {(f"{n}/", 0): [f"{n + 1}/"] for n in range(100)}
    bucket = Pages(2, {("", 0): ["0/"], **hints})
    bucket.watcher.step(threading.Event())
    bucket.watcher._next_sweep_s = float("inf")
    while ("100/", 1) not in bucket.seen:
        bucket.watcher.step(threading.Event())
    assert bucket.deepest < len(inspect.stack()) + 20


def test_what_is_swept_already_is_swept_again_when_it_is_through():
    bucket = Pages(2, {("many/", 0): ["many/"]})
    bucket.watcher.heard(["many/"])
    bucket.watcher._next_sweep_s = float("inf")
    bucket.watcher.step(threading.Event())
    bucket.watcher.step(threading.Event())
    assert bucket.seen == [("many/", 0), ("many/", 1)] * 2
