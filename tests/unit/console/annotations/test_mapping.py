"""Turns onto segments: who names a segment, and which ones nobody can name."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.annotations.mapping import (
    SHARE_OF_OTHERS,
    SHARE_OF_SPEAKER,
    Segment,
    TooManySpeakers,
    map_turns,
)
from services.console.annotations.turns import Turn

HZ = 16_000


def seg(n: int, start_s: float, end_s: float) -> Segment:
    return Segment(UUID(int=n), round(start_s * HZ), round(end_s * HZ))


ONE = seg(1, 10, 20)


@pytest.mark.parametrize(
    ("turns", "outcome"),
    [
        ([Turn(10, 20, "A")], "A"),
        ([Turn(0, 99, "A")], "A"),
        ([Turn(10, 15, "A")], "A"),
        ([Turn(10, 14.99, "A")], "uncovered"),
        ([Turn(10, 12, "A"), Turn(11, 13, "A"), Turn(17, 19, "A")], "A"),
        ([Turn(10, 14, "A"), Turn(10, 14, "A")], "uncovered"),
        ([Turn(10, 18, "A"), Turn(18, 20, "B")], "A"),
        ([Turn(10, 18, "A"), Turn(17.9, 20, "B")], "mixed"),
        ([Turn(10, 20, "A"), Turn(10, 20, "B")], "mixed"),
        ([Turn(10, 14, "A"), Turn(14, 18, "B")], "mixed"),
        ([Turn(10, 12, "A"), Turn(12, 14, "B"), Turn(14, 20, "C")], "C"),
        ([Turn(10, 20, "A"), Turn(15, 20, None)], "mixed"),
        ([Turn(10, 20, None)], "uncovered"),
        ([Turn(0, 10, "A"), Turn(20, 30, "B")], "uncovered"),
        ([], "uncovered"),
    ],
)
def test_a_segment_is_named_by_who_covers_half_if_nobody_else_covers_more_than_a_fifth(turns, outcome):
    mapped = map_turns([ONE], turns)
    found = [name for _, name in mapped.words] + ["mixed"] * len(mapped.mixed) + ["uncovered"] * len(mapped.uncovered)
    assert found == [outcome]


def test_named_turns_outside_of_every_segment_are_counted():
    turns = [Turn(0, 10, "A"), Turn(20, 21, "A"), Turn(19, 21, "A"), Turn(30, 31, None)]
    assert map_turns([ONE], turns).n_turns_without_segment == 2
    assert map_turns([], turns).n_turns_without_segment == 3


def test_segments_may_overlap_each_other():
    mapped = map_turns([seg(1, 0, 100), seg(2, 10, 12), seg(3, 50, 60)], [Turn(0, 49, "A"), Turn(51, 60, "B")])
    assert dict(mapped.words) == {UUID(int=2): "A", UUID(int=3): "B"}
    assert mapped.uncovered == (UUID(int=1),)


def test_a_thousand_speakers_are_a_mistake():
    with pytest.raises(TooManySpeakers):
        map_turns([ONE], [Turn(n, n + 1, f"what {n} said") for n in range(1001)])


spans = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), max_size=10)


@given(spans, st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60), st.sampled_from("AB")), max_size=20))
def test_the_rule_holds_sample_by_sample(segments, spoken):
    """Against a mapping that counts every tenth of a second by itself."""
    cut = [seg(n, start / 10, (start + length) / 10) for n, (start, length) in enumerate(segments)]
    turns = [Turn(start / 10, (start + length) / 10, name) for start, length, name in spoken]
    mapped = map_turns(cut, turns)
    names = dict(mapped.words)
    for n, (start, length) in enumerate(segments):
        counts = {
            name: len(
                {t for s, d, who in spoken if who == name for t in range(s, s + d)} & {*range(start, start + length)}
            )
            for name in "AB"
        }
        strong = [name for name, count in counts.items() if count >= SHARE_OF_SPEAKER * length]
        others = min(counts.values())
        expected = strong[0] if strong and others <= SHARE_OF_OTHERS * length else None
        assert names.get(UUID(int=n)) == expected
    everything = [*names, *mapped.mixed, *mapped.uncovered]
    assert sorted(everything) == [UUID(int=n) for n in range(len(segments))]


@given(st.randoms(use_true_random=False), spans, spans)
def test_order_does_not_matter(rng, segments, spoken):
    cut = [seg(n, start / 10, (start + length) / 10) for n, (start, length) in enumerate(segments)]
    turns = [Turn(start / 10, (start + length) / 10, "AB"[n % 2]) for n, (start, length) in enumerate(spoken)]
    straight = map_turns(cut, turns)
    rng.shuffle(cut)
    rng.shuffle(turns)
    assert map_turns(cut, turns) == straight
