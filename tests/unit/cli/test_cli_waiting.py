"""Asking again and again."""

import pytest

from services.launcher.cli.failure import Failure
from services.launcher.cli.waiting import rounds, wait_for_state


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, pause_s: float) -> None:
        self.now_s += pause_s
        self.pauses.append(round(pause_s, 3))


def test_pauses_grow_to_a_second_and_end_at_the_timeout() -> None:
    clock = Clock()
    n_rounds = sum(1 for _ in rounds(5, clock, clock.sleep))
    assert clock.pauses == [0.2, 0.3, 0.45, 0.675, 1.0, 1.0, 1.0, 0.375]
    assert n_rounds == len(clock.pauses) + 1
    assert clock.now_s == pytest.approx(5)


def test_without_time_there_is_one_look() -> None:
    assert wait_for_state(lambda: {"state": "done", "n": 1}, "done", 0, "It")["n"] == 1


def test_what_is_not_done_in_time_fails() -> None:
    with pytest.raises(Failure, match="It is not done"):
        wait_for_state(lambda: {"state": "requested"}, "done", 0, "It")
