"""Cursors come back as they were given out, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.cursors import BadCursor, Cursors

PLACE = ("meetings/ü.wav", 16_000, "0192")


@given(st.lists(st.text() | st.integers()).map(tuple))
def test_a_place_survives_the_round_trip(place):
    cursors = Cursors("secret")
    assert cursors.open("segments:c", cursors.seal("segments:c", place)) == place


@pytest.mark.parametrize("forged", ["", "x", "!!!", "AAAA", "A" * 64, "ü", "a b", "=", "\u00b2" * 8])
def test_a_made_up_cursor_is_refused(forged):
    with pytest.raises(BadCursor):
        Cursors("secret").open("segments:c", forged)


def test_a_changed_cursor_is_refused():
    cursors = Cursors("secret")
    sealed = cursors.seal("segments:c", PLACE)
    for at in range(len(sealed)):
        with pytest.raises(BadCursor):
            cursors.open("segments:c", sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :])


def test_a_cursor_of_another_listing_is_refused():
    cursors = Cursors("secret")
    with pytest.raises(BadCursor):
        cursors.open("segments:other", cursors.seal("segments:c", PLACE))


def test_consoles_with_one_secret_read_each_others_cursors():
    assert Cursors("one").open("x", Cursors("one").seal("x", PLACE)) == PLACE
    with pytest.raises(BadCursor):
        Cursors("two").open("x", Cursors("one").seal("x", PLACE))
