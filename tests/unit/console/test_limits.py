"""What one token may ask of a console process."""

import pytest

from services.console.limits import Limits, TooManyBytes, TooManyRequests
from shared.settings import ConsoleSettings

SETTINGS = ConsoleSettings(requests_per_second=2, body_bytes_per_second=1000)


def test_a_burst_is_taken_and_what_goes_beyond_it_waits() -> None:
    limits = Limits(SETTINGS)
    for _ in range(5):
        limits.charge("ci", 0, now_s=0.0)
    with pytest.raises(TooManyRequests) as refused:
        limits.charge("ci", 0, now_s=0.0)
    limits.charge("ci", 0, now_s=refused.value.retry_after_s)
    limits.charge("somebody else", 0, now_s=0.0)


def test_large_bodies_are_paid_for_afterwards() -> None:
    limits = Limits(SETTINGS)
    limits.charge("ci", 5000, now_s=0.0)
    with pytest.raises(TooManyBytes) as refused:
        limits.charge("ci", 1, now_s=1.0)
    assert refused.value.retry_after_s == 2.0
    limits.charge("ci", 0, now_s=1.0)
    limits.charge("ci", 1, now_s=3.0)
