"""Samples: the same for the same seed, exact in number, in proportion, and each inside the larger one."""

import random
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.sampling import group_sample, quotas, random_sample, stratified_sample, target, ticket

KEYS = st.sets(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), min_size=1, max_size=60)
SIZES = st.dictionaries(st.text(max_size=5), st.integers(0, 10_000), min_size=1, max_size=12)
STRATA = st.dictionaries(st.text("ab", max_size=3), KEYS, min_size=1, max_size=4)
SEEDS = st.integers(-(2**63), 2**63 - 1)


@st.composite
def some_of(draw: st.DrawFn) -> tuple[set[str], int]:
    keys = draw(KEYS)
    return keys, draw(st.integers(0, len(keys)))


def test_a_ticket_is_what_the_page_says_it_is():
    """Written out, so that nothing may change it: subsets of old must be drawn again the same."""
    assert ticket(42, "ALS", "Train/a/1.wav") == sha256(b"42\x00ALS\x00Train/a/1.wav").digest()
    assert ticket(42, "ALS", "Train/a/1.wav").hex()[:16] == "ae57ca73bfbea332"


@given(some_of(), SEEDS, st.randoms())
def test_the_order_of_the_files_does_not_matter(wanted: tuple[set[str], int], seed: int, rng: random.Random):
    keys, n = wanted
    shuffled = sorted(keys)
    rng.shuffle(shuffled)
    assert random_sample(shuffled, n, seed) == random_sample(sorted(keys), n, seed)


@given(some_of(), SEEDS)
def test_exactly_so_many_are_drawn_and_none_twice(wanted: tuple[set[str], int], seed: int):
    keys, n = wanted
    drawn = random_sample(keys, n, seed)
    assert len(drawn) == len(set(drawn)) == n
    assert set(drawn) <= keys


@given(KEYS, SEEDS, st.integers(1, 100), st.integers(1, 100))
def test_a_larger_percentage_holds_the_smaller_one(keys: set[str], seed: int, one: int, other: int):
    small, large = (random_sample(keys, target(len(keys), p), seed) for p in sorted((one, other)))
    assert large[: len(small)] == small


def test_another_seed_draws_others():
    keys = [f"{n}.wav" for n in range(1000)]
    common = set(random_sample(keys, 100, 1)) & set(random_sample(keys, 100, 2))
    assert len(common) < 30  # 10 are expected


@given(SIZES, st.data())
def test_quotas_are_exact_and_within_one_of_the_proportion(sizes: dict[str, int], data: st.DataObject):
    total = sum(sizes.values())
    n = data.draw(st.integers(0, total))
    shares = quotas(sizes, n)
    assert sum(shares.values()) == n
    for name, share in shares.items():
        assert 0 <= share <= sizes[name]
        assert total == 0 or abs(share * total - sizes[name] * n) < total


def test_of_equal_remainders_the_first_name_gets_one():
    assert quotas({"b": 1, "a": 1, "c": 1}, 2) == {"a": 1, "b": 1, "c": 0}
    assert quotas({"Stroke": 10_000, "ALS": 0}, 7) == {"Stroke": 7, "ALS": 0}


@given(st.dictionaries(st.text("ab", max_size=3), KEYS, min_size=1, max_size=4), SEEDS, st.data())
def test_a_stratified_sample_is_a_random_one_of_each_stratum(
    strata: dict[str, set[str]], seed: int, data: st.DataObject
):
    n = data.draw(st.integers(0, sum(map(len, strata.values()))))
    drawn = stratified_sample(strata, n, seed)
    assert sum(map(len, drawn.values())) == n
    for name, keys in strata.items():
        assert drawn[name] == random_sample(sorted(keys, reverse=True), len(drawn[name]), seed, name)


@pytest.mark.parametrize(("n", "percent", "at_most", "wanted"), [
    (271_368, 100, None, 271_368), (271_368, 100, 100, 100), (10, 25, None, 2), (14, 25, None, 4), (3, 1, None, 0),
])  # fmt: skip
def test_the_target_is_pythons_round_then_the_maximum(n: int, percent: float, at_most: int | None, wanted: int):
    assert target(n, percent, at_most) == wanted


@given(st.dictionaries(st.text(max_size=4), st.integers(1, 450), min_size=1, max_size=30), SEEDS, st.data())
def test_whole_groups_come_as_near_as_their_order_allows(sizes: dict[str, int], seed: int, data: st.DataObject):
    n = data.draw(st.integers(0, sum(sizes.values())))
    taken = group_sample(sizes, n, seed)
    order = group_sample(sizes, sum(sizes.values()), seed)
    assert sorted(order) == sorted(sizes)
    assert order[: len(taken)] == taken
    distances = [abs(sum(sizes[name] for name in order[:k]) - n) for k in range(len(order) + 1)]
    assert distances[len(taken)] == min(distances)


@given(some_of(), SEEDS)
def test_groups_of_one_are_a_random_sample(wanted: tuple[set[str], int], seed: int):
    keys, n = wanted
    assert group_sample(dict.fromkeys(keys, 1), n, seed) == random_sample(keys, n, seed)
