"""Deliveries are packed into messages: every one of them once, in order, within the limits."""

from itertools import pairwise
from math import ceil
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ledger.packing import Limits, Pending, limits, pack
from shared.settings import LedgerSettings

LIMITS = st.builds(Limits, st.integers(1, 20), st.floats(1, 2000), st.floats(0, 1000))


@st.composite
def backlogs(draw: st.DrawFn) -> list[Pending]:
    weights = draw(st.lists(st.tuples(st.integers(0, 500), st.floats(0, 2000)), max_size=60))
    return [Pending(UUID(int=n), n_segments, audio_s) for n, (n_segments, audio_s) in enumerate(weights)]


@given(backlogs(), LIMITS)
def test_every_delivery_travels_once_and_in_the_order_of_arrival(pending: list[Pending], limit: Limits):
    assert [one for message in pack(pending, limit) for one in message] == [p.event_id for p in pending]


@given(backlogs(), LIMITS)
def test_a_message_keeps_every_limit_unless_it_holds_one_delivery(pending: list[Pending], limit: Limits):
    by_id = {p.event_id: p for p in pending}
    for message in pack(pending, limit):
        if len(message) == 1:
            continue
        assert len(message) <= limit.events
        assert sum(by_id[one].n_segments for one in message) <= limit.segments
        assert sum(by_id[one].audio_s for one in message) <= limit.audio_s + 1e-6


@given(backlogs(), LIMITS)
def test_no_message_ends_where_the_next_delivery_would_have_fitted(pending: list[Pending], limit: Limits):
    by_id = {p.event_id: p for p in pending}
    for message, following in pairwise(pack(pending, limit)):
        together = [by_id[one] for one in (*message, following[0])]
        assert (
            len(together) > limit.events
            or sum(p.n_segments for p in together) > limit.segments
            or sum(p.audio_s for p in together) > limit.audio_s - 1e-6
        )


@pytest.mark.parametrize("parallelism", [1, 2, 5])
@pytest.mark.parametrize("n_events", [1, 2, 7, 64, 1000])
def test_a_small_backlog_is_shared_out_over_the_workers(n_events: int, parallelism: int):
    pending = [Pending(uuid4(), 1, 1000.0) for _ in range(n_events)]
    shared = Limits(64, 1e9, 1e9).shared_out(pending, parallelism)
    assert shared.events == min(64, ceil(n_events / (2 * parallelism)))
    assert shared.audio_s == 1000.0 * n_events / (2 * parallelism)


def test_a_message_is_never_cut_below_what_an_encoder_wants():
    assert Limits(64, 1e9, 600).shared_out([Pending(uuid4(), 1, 10.0)] * 10, 2).audio_s == 60


def test_an_empty_backlog_needs_no_message_and_breaks_nothing():
    assert Limits(64, 1024, 600.0).shared_out([], 2).events == 1
    assert pack([], Limits(64, 1024, 600.0)) == []


def test_a_share_scales_all_limits_and_leaves_room_for_one_event():
    settings = LedgerSettings(events_per_message=64, segments_per_message=1024, audio_s_per_message=600)
    assert limits(settings, 4.0) == Limits(256, 4096, 2400)
    assert limits(settings, 0.5) == Limits(32, 512, 300)
    assert limits(settings, 0.001).events == 1
