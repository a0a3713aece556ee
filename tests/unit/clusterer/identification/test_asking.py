"""What to ask next: what resolves most, never what was said, not the same voice twice over."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.clusterer.identification.answer import (
    ASSIGN_VERDICT,
    NOBODY,
    NOBODY_VERDICT,
    SUGGEST_VERDICT,
    Identified,
)
from services.clusterer.identification.asking import NOISE, Scene, questions

ADA, BEN, CEM = 0, 1, 2
NAMES = {ADA: "Ada", BEN: "Ben"}


def scene(clusters: list[int]) -> Scene:
    """Nobody said anything, and nobody is like anybody named."""
    n = len(clusters)
    none, zero = np.full(n, NOBODY), np.zeros(n)
    return Scene(
        clusters=np.array(clusters),
        membership=np.where(np.array(clusters) == NOISE, 0.0, 1.0),
        said=none,
        named=none,
        guessed=np.zeros(n, bool),
        identified=Identified(none, zero, zero, none, zero, np.full(n, NOBODY_VERDICT, np.int8)),
        asked=np.zeros(n, bool),
        exemplars={},
    )


def put(array: np.ndarray, **values: float) -> np.ndarray:
    changed = array.copy()
    for row, value in values.items():
        changed[int(row[1:])] = value
    return changed


def sounds_like(
    before: Scene, rows: list[int], speaker: int, probability: float, verdict: int, second: int = NOBODY
) -> Scene:
    found = before.identified
    nearest, p, runner_up, v = (a.copy() for a in (found.nearest, found.probability, found.runner_up, found.verdict))
    nearest[rows], p[rows], runner_up[rows], v[rows] = speaker, probability, second, verdict
    return replace(before, identified=replace(found, nearest=nearest, probability=p, runner_up=runner_up, verdict=v))


def test_the_largest_unnamed_cluster_comes_first_and_says_why() -> None:
    first, second, third = questions(scene([0, 0, 1, 1, 1, NOISE]), 9)
    assert (first.cluster, first.expected_resolved, first.why) == (1, 3.0, "names_cluster")
    assert first.reason({}) == "names 3 segments of an unnamed cluster"
    assert (second.cluster, third.cluster, third.why) == (0, NOISE, "names_one")


def test_a_cluster_is_asked_about_by_its_exemplar() -> None:
    typical = replace(scene([0, 0, 0]), exemplars={0: (2, 1)})
    assert questions(typical, 1)[0].segment == 2
    assert questions(replace(typical, asked=np.array([False, False, True])), 1)[0].segment == 1


def test_a_question_without_an_answer_is_worth_half_the_next_time() -> None:
    asked = replace(scene([0, 0, 0, 0, 1, 1, 1]), asked=np.array([True] + [False] * 6))
    first, second = questions(asked, 9)
    assert (first.cluster, first.expected_resolved) == (1, 3.0)
    assert (second.cluster, second.expected_resolved) == (0, 2.0)


def test_loose_members_count_less() -> None:
    loose = replace(scene([0, 0, 0, 1, 1]), membership=np.array([1.0, 0.3, 0.3, 1.0, 1.0]))
    assert [q.cluster for q in questions(loose, 2)] == [1, 0]


def test_a_named_cluster_is_not_asked_about() -> None:
    said = replace(
        scene([0, 0, 1, 1]), said=np.array([ADA, NOBODY, NOBODY, NOBODY]), named=np.array([ADA, ADA, -1, -1])
    )
    first, *others = questions(said, 9)
    assert (first.cluster, first.why) == (1, "names_cluster")
    assert [(q.segment, q.why) for q in others] == [(1, "checks_name")]  # last of all, it may be no member
    assert others[0].expected_resolved == pytest.approx(0.05)


def test_a_loose_member_that_sounds_unlike_its_name_is_checked_before_a_firm_one() -> None:
    named = replace(
        scene([0] * 4),
        said=np.array([ADA, -1, -1, -1]),
        named=np.full(4, ADA),
        membership=np.array([1.0, 0.9, 0.4, 0.4]),
    )
    heard = sounds_like(named, [1, 2], ADA, 0.9, SUGGEST_VERDICT)
    assert [q.segment for q in questions(heard, 9)] == [3, 2, 1]


def test_members_that_sound_like_somebody_else_are_one_question() -> None:
    named = replace(scene([0] * 6), said=put(scene([0] * 6).said, r0=ADA), named=np.full(6, ADA))
    question = questions(sounds_like(named, [3, 4, 5], BEN, 0.8, SUGGEST_VERDICT), 9)[0]
    assert question.expected_resolved == pytest.approx(2.4)
    assert question.reason(NAMES) == "decides between Ben and Ada for 3 segments"


def test_where_people_named_two_every_member_that_follows_neither_is_a_question_of_its_own() -> None:
    contested = replace(scene([0] * 4), said=np.array([ADA, BEN, -1, -1]), named=np.array([ADA, BEN, -1, -1]))
    assert [(q.segment, q.why) for q in questions(contested, 9)] == [(2, "names_one"), (3, "names_one")]


def test_where_people_named_two_the_less_sure_follower_is_checked_first_after_the_open_ones() -> None:
    contested = replace(
        scene([0] * 5),
        said=np.array([ADA, BEN, -1, -1, -1]),
        named=np.array([ADA, BEN, ADA, BEN, -1]),
        membership=np.array([1.0, 1.0, 0.9, 0.7, 1.0]),
    )
    assert [(q.segment, q.why) for q in questions(contested, 9)] == [
        (4, "names_one"),
        (3, "checks_name"),
        (2, "checks_name"),
    ]


def test_where_people_named_two_members_that_sound_like_a_third_are_one_question() -> None:
    contested = replace(
        scene([0] * 5), said=np.array([ADA, BEN, -1, -1, -1]), named=np.array([ADA, BEN, ADA, ADA, ADA])
    )
    question = questions(sounds_like(contested, [2, 3], CEM, 0.8, SUGGEST_VERDICT), 9)[0]
    assert (question.why, question.n_segments, question.speakers) == ("decides_between", 2, (CEM, ADA))


def test_a_doubtful_name_is_worth_its_doubt() -> None:
    guessed = replace(scene([NOISE] * 2), named=np.array([ADA, BEN]), guessed=np.ones(2, bool))
    guessed = sounds_like(sounds_like(guessed, [0], ADA, 0.999, ASSIGN_VERDICT), [1], BEN, 0.96, ASSIGN_VERDICT)
    first, second = questions(guessed, 9)
    assert (first.segment, first.reason(NAMES)) == (1, "checks a doubtful name: Ben")
    assert first.expected_resolved == pytest.approx(0.04)
    assert second.expected_resolved == pytest.approx(0.001)


def test_of_two_suggestions_the_less_certain_comes_first_and_names_both_speakers() -> None:
    likely = sounds_like(scene([NOISE] * 2), [0], ADA, 0.9, SUGGEST_VERDICT)
    likely = sounds_like(likely, [1], BEN, 0.5, SUGGEST_VERDICT, second=ADA)
    first, second = questions(likely, 9)
    assert first.reason(NAMES) == "decides between Ben and Ada for 1 segment"
    assert second.reason(NAMES) == "may be Ada"


def test_questions_about_one_voice_are_spread() -> None:
    many = sounds_like(scene([0, 0, 0, 1, 1, 1, 2, 2]), [0, 1, 2, 3, 4, 5], ADA, 0.8, SUGGEST_VERDICT)
    assert [(q.cluster, q.expected_resolved) for q in questions(many, 9)] == [(0, 3.0), (2, 2.0), (1, 1.5)]


@given(st.integers(0, 10_000))
@settings(max_examples=50)
def test_what_was_said_or_asked_is_never_asked_and_no_segment_twice(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = random_scene(rng, 60)
    found = questions(before, 60)
    rows = [q.segment for q in found]
    assert len(set(rows)) == len(rows)
    assert not (before.asked[rows] | (before.said[rows] != NOBODY)).any()
    assert all(q.expected_resolved > 0 for q in found)
    worth = [q.expected_resolved for q in found]
    assert worth == sorted(worth, reverse=True)
    for q in found:
        q.reason(dict.fromkeys(range(5), "somebody"))


def test_twenty_of_a_hundred_thousand_segments_are_asked_about() -> None:
    before = random_scene(np.random.default_rng(0), 100_000)
    assert len(questions(before, 20)) == 20


def random_scene(rng: np.random.Generator, n: int) -> Scene:
    clusters = rng.integers(-1, n // 6, n)
    said = np.where(rng.random(n) < 0.1, rng.integers(0, 5, n), NOBODY)
    named = np.where(said != NOBODY, said, np.where(rng.random(n) < 0.5, rng.integers(0, 5, n), NOBODY))
    nearest = np.where(rng.random(n) < 0.7, rng.integers(0, 5, n), NOBODY)
    probability = np.where(nearest == NOBODY, 0.0, rng.uniform(0.01, 0.99, n))
    runner_up = np.where((nearest != NOBODY) & (rng.random(n) < 0.5), (nearest + 1) % 5, NOBODY)
    verdict = np.where(probability >= 0.95, ASSIGN_VERDICT, np.where(probability >= 0.5, SUGGEST_VERDICT, 0))
    return Scene(
        clusters=clusters,
        membership=rng.uniform(0.1, 1, n),
        said=said,
        named=named,
        guessed=(named == nearest) & (said == NOBODY) & (named != NOBODY),
        identified=Identified(nearest, probability, probability, runner_up, probability, verdict.astype(np.int8)),
        asked=rng.random(n) < 0.1,
        exemplars={
            int(c): tuple(np.flatnonzero(clusters == c)[:3].tolist()) for c in rng.choice(clusters[clusters >= 0], 5)
        },
    )
