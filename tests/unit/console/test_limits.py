"""What one token may ask of a console process."""

import pytest

from services.console.limits import Limits, TooManyBytes, TooManyRequests
from shared.settings import ConsoleSettings

SETTINGS = ConsoleSettings(requests_per_second=2, body_bytes_per_second=1000)


def test_a_burst_is_taken_and_what_goes_beyond_it_waits() -> None:
    limits = Limits(SETTINGS)
    for _ in range(5):
        limits.admit("ci", now_s=0.0, with_body=False)
    with pytest.raises(TooManyRequests) as refused:
        limits.admit("ci", now_s=0.0, with_body=False)
    limits.admit("ci", now_s=refused.value.retry_after_s, with_body=False)
    limits.admit("somebody else", now_s=0.0, with_body=False)


def test_large_bodies_are_paid_for_afterwards() -> None:
    limits = Limits(SETTINGS)
    limits.admit("ci", now_s=0.0, with_body=True)
    for _ in range(5):
        limits.weigh("ci", 1000)
    with pytest.raises(TooManyBytes) as refused:
        limits.admit("ci", now_s=1.0, with_body=True)
    assert refused.value.retry_after_s == 2.0
    limits.admit("ci", now_s=1.0, with_body=False)
    limits.admit("ci", now_s=3.0, with_body=True)
