"""A store that is busy for a moment interrupts no backup; one that is away for good does, with its own words."""

import pytest

from services.launcher.stack.backup_objects import patiently
from shared.storage.objects import ObjectGone, ObjectStoreUnavailable


class Busy:
    """Refuses so many times."""

    def __init__(self, n_refusals: int, error: Exception) -> None:
        self.n_calls, self._n_refusals, self._error = 0, n_refusals, error

    def __call__(self) -> str:
        self.n_calls += 1
        if self.n_calls <= self._n_refusals:
            raise self._error
        return "carried"


def test_what_is_refused_now_and_then_is_carried():
    assert patiently(Busy(2, ObjectStoreUnavailable("busy")), (0, 0)) == "carried"


def test_what_is_refused_for_good_says_why():
    with pytest.raises(ObjectStoreUnavailable, match="away"):
        patiently(Busy(9, ObjectStoreUnavailable("away")), (0, 0))


def test_what_waiting_cannot_mend_is_not_tried_again():
    gone = Busy(1, ObjectGone("gone"))
    with pytest.raises(ObjectGone):
        patiently(gone, (0, 0))
    assert gone.n_calls == 1
