"""An id means the same voice after a refit."""

from hypothesis import given
from hypothesis import strategies as st

from services.clusterer.clustering.continuity import matched


def test_the_larger_part_of_a_split_keeps_the_id() -> None:
    assert matched({0: {"a", "b"}, 1: {"c", "d", "e"}}, {"old": set("abcde")}, {}) == {0: None, 1: "old"}


def test_after_a_merge_the_larger_one_s_id_lives_on() -> None:
    assert matched({0: set("abcde")}, {"small": set("ab"), "large": set("cde")}, {}) == {0: "large"}


def test_after_a_merge_a_named_one_s_id_lives_on_though_it_is_smaller() -> None:
    assert matched({0: set("abcde")}, {"ours": set("ab"), "large": set("cde")}, {"ours": "Ann"}) == {0: "ours"}


def test_a_named_cluster_does_not_give_its_id_to_the_few_that_strayed() -> None:
    standing = {"named": set("abcdefgh"), "large": set("xyz")}
    assert matched({0: set("axyz")}, standing, {"named": "Ann"}) == {0: "large"}


def test_halves_of_two_names_continue_neither() -> None:
    standing = {"one": set("ab"), "two": set("cd")}
    assert matched({0: set("abcd")}, standing, {"one": "Ann", "two": "Bob"}) == {0: None}


def test_two_clusters_of_one_name_may_become_one() -> None:
    standing = {"one": set("ab"), "two": set("cde")}
    assert matched({0: set("abcde")}, standing, {"one": "Ann", "two": "Ann"}) == {0: "two"}


def test_the_matching_is_the_best_of_all_and_not_the_first_best() -> None:
    # taking the largest overlap first (0 with "p": 5) would leave 1 with nothing: 5 stay instead of 4 + 4
    fresh = {0: set("abcdewxyz") | {"v"}, 1: set("fghi")}
    standing = {"p": set("abcdefghi"), "q": set("wxyz")}
    assert matched(fresh, standing, {}) == {0: "q", 1: "p"}


def test_nothing_stood_all_is_new() -> None:
    assert matched({0: {"a"}, 1: {"b"}}, {}, {}) == {0: None, 1: None}
    assert matched({}, {"old": {"a"}}, {}) == {}


parts = st.dictionaries(st.integers(0, 30), st.integers(0, 5), max_size=30).map(
    lambda owner: {c: {m for m, o in owner.items() if o == c} for c in set(owner.values())}
)


@given(fresh=parts, standing=parts, named=st.dictionaries(st.integers(0, 5), st.sampled_from(["Ann", "Bob"])))
def test_each_id_is_given_once_and_only_to_who_shares_a_segment(fresh: dict, standing: dict, named: dict) -> None:
    given_ids = matched(fresh, standing, named)
    kept = [key for key in given_ids.values() if key is not None]
    assert len(kept) == len(set(kept))
    assert all(key is None or fresh[number] & standing[key] for number, key in given_ids.items())


@given(standing=parts, named=st.dictionaries(st.integers(0, 5), st.sampled_from(["Ann", "Bob"])))
def test_what_did_not_change_keeps_its_id(standing: dict, named: dict) -> None:
    assert matched(standing, standing, named) == {number: number for number in standing}
