"""Durations and samples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.units import GIB, KIB, MIB, SAMPLE_RATE_HZ, SAMPLES_PER_MS, samples, seconds


@given(st.integers(0, 10**12))
def test_samples_and_seconds_are_each_others_inverse(n_samples: int):
    assert samples(seconds(n_samples)) == n_samples


@given(st.integers(1, 10**6), st.sampled_from([8_000, 16_000, 44_100, 48_000]))
def test_so_they_are_at_any_rate(n_samples: int, rate_hz: int):
    assert samples(seconds(n_samples, rate_hz), rate_hz) == n_samples


@pytest.mark.parametrize(("duration_s", "expected"), [(0.0, 0), (1.0, 16_000), (0.00003, 0), (0.00004, 1)])
def test_a_duration_is_rounded_to_the_nearest_sample(duration_s: float, expected: int):
    assert samples(duration_s) == expected


def test_the_constants_agree_with_each_other():
    assert SAMPLES_PER_MS * 1000 == SAMPLE_RATE_HZ
    assert (KIB, MIB, GIB) == (2**10, 2**20, 2**30)
