"""Whose turn it is, and for how many deliveries."""

from hypothesis import given
from hypothesis import strategies as st

from shared.ledger.turns import Due, shares, topped_up

PLENTY = 10_000


def test_two_collections_have_a_half_each():
    assert shares([Due("a", 1, PLENTY), Due("b", 1, PLENTY)], 64, "") == {"a": 32, "b": 32}


def test_a_weight_of_three_has_three_quarters():
    assert shares([Due("a", 3, PLENTY), Due("b", 1, PLENTY)], 64, "") == {"a": 48, "b": 16}


def test_nobody_has_more_out_than_may_be():
    assert shares([Due("a", 1, 5), Due("b", 1, PLENTY), Due("c", 1, 0)], 60, "") == {"a": 5, "b": 20}


def test_where_there_are_more_than_have_room_the_next_round_begins_where_this_one_ended():
    waiting = [Due(name, 1, PLENTY) for name in "abcde"]
    assert list(shares(waiting, 2, "")) == ["a", "b"]
    assert list(shares(waiting, 2, "b")) == ["c", "d"]
    assert list(shares(waiting, 2, "d")) == ["e", "a"]


def test_what_a_small_one_leaves_over_goes_to_the_others():
    waiting = [Due("a", 1, PLENTY), Due("b", 1, PLENTY)]
    assert topped_up({"a": 32, "b": 32}, {"a": 32, "b": 10}, waiting, 64) == {"a": 54, "b": 32}


def test_nothing_is_topped_up_when_all_is_taken_or_nobody_wants_more():
    waiting = [Due("a", 1, PLENTY), Due("b", 1, 32)]
    assert topped_up({"a": 32, "b": 32}, {"a": 32, "b": 32}, waiting, 64) == {}
    assert topped_up({"a": 32, "b": 32}, {"a": 3, "b": 32}, waiting, 64) == {}


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=3), st.tuples(st.integers(1, 100), st.integers(0, 50))),
    st.integers(1, 300),
    st.text("abc", max_size=3),
)
def test_shares_never_exceed_the_room_and_leave_nobody_out_for_ever(rooms, most, after):
    waiting = [Due(name, weight, room) for name, (weight, room) in rooms.items()]
    given = shares(waiting, most, after)
    assert sum(given.values()) <= most
    assert all(0 < share <= rooms[name][1] for name, share in given.items())
    in_turn = [name for name in sorted(rooms, key=lambda name: (name <= after, name)) if rooms[name][1]]
    assert not in_turn or in_turn[0] in given
