import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.segmenters.protocol import NO_HINTS, Hints
from services.ingest.segmenters.speakers import parse_speakers
from shared.errors import InvalidRequest


@given(st.integers(1, 999))
def test_a_number_is_both_ends(n_speakers):
    assert parse_speakers(str(n_speakers)) == Hints(n_speakers, n_speakers)


@given(st.integers(1, 999), st.integers(0, 500))
def test_a_range_is_a_range(least, more):
    most = min(999, least + more)
    assert parse_speakers(f" {least}-{most} ") == Hints(least, most)


@pytest.mark.parametrize("text", ["", "0", "-3", "2-", "4-2", "two", "1.5", "1000", "2 - 4", "٣", "2-4-6"])
def test_anything_else_is_refused_with_a_stable_code(text):
    with pytest.raises(InvalidRequest) as caught:
        parse_speakers(text)
    assert caught.value.code == "unclear_speakers"


@pytest.mark.parametrize(("least", "most"), [(0, None), (3, 2), (None, 0)])
def test_hints_that_no_recording_meets_cannot_be_made(least, most):
    with pytest.raises(ValueError, match="speaker"):
        Hints(least, most)


def test_nothing_is_known_unless_somebody_says_so():
    assert Hints() == NO_HINTS == Hints(None, None)
