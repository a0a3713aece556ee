"""What people said is obeyed after any history."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.clusterer.clustering.cluster import cluster
from services.clusterer.clustering.constraints import obey
from services.clusterer.clustering.groups import without_singles
from services.clusterer.clustering.types import NOISE, UNNAMED, Anchor, Said, nothing_said
from tests.unit.clusterer.clustering.conftest import Voices

N = 24
row_pairs = st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, N - 1)).filter(lambda p: p[0] != p[1]), max_size=8)


def said(speakers: dict[int, int], apart: list = (), n_rows: int = N) -> Said:
    numbers = np.full(n_rows, UNNAMED)
    numbers[list(speakers)] = list(speakers.values())
    return Said(numbers, np.array(apart, np.int64).reshape(-1, 2))


@given(
    seed=st.integers(0, 1000),
    labels=st.lists(st.integers(-1, 4), min_size=N, max_size=N),
    speakers=st.dictionaries(st.integers(0, N - 1), st.integers(0, 3), max_size=12),
    apart=row_pairs,
)
@settings(deadline=None, max_examples=100)
def test_no_history_brings_two_names_together(
    seed: int, labels: list[int], speakers: dict[int, int], apart: list
) -> None:
    rows = np.random.default_rng(seed).normal(size=(N, 6)).astype(np.float32)
    found = obey(rows, without_singles(np.array(labels)), said(speakers, apart))
    for number in range(found.max() + 1):
        members = np.flatnonzero(found == number)
        assert len({speakers[m] for m in members if m in speakers}) <= 1
        assert len(members) >= 2
    for left, right in apart:
        named_alike = left in speakers and speakers.get(left) == speakers.get(right)
        assert named_alike or found[left] == NOISE or found[left] != found[right]


@given(speakers=st.dictionaries(st.integers(0, N - 1), st.integers(0, 3), max_size=12))
@settings(deadline=None)
def test_rows_of_one_name_are_together(speakers: dict[int, int]) -> None:
    rows = np.random.default_rng(0).normal(size=(N, 6)).astype(np.float32)
    found = obey(rows, np.arange(N) // 4, said(speakers))
    for name in set(speakers.values()):
        assert len({found[row] for row, spoken in speakers.items() if spoken == name}) == 1


def test_the_rows_of_a_split_cluster_follow_the_nearest_name() -> None:
    rows = np.array([[1, 0], [0.9, 0.1], [0.8, 0.3], [0, 1], [0.2, 0.9]], np.float32)
    found = obey(rows, np.zeros(5, np.int64), said({0: 7, 3: 8}, n_rows=5))
    assert found.tolist() == [0, 0, 0, 1, 1]


def test_without_a_word_nothing_changes() -> None:
    labels = np.array([0, 0, NOISE, 1, 1])
    assert obey(np.eye(5, dtype=np.float32), labels, nothing_said(5)) is labels


def test_clustering_obeys(voices: Voices, anchor: Anchor) -> None:
    rows, _ = voices.rows([8, 8])
    found = cluster(rows, np.full(16, 3.0), anchor, said({0: 1, 1: 2}, n_rows=16))
    assert found.labels[0] != found.labels[1]
