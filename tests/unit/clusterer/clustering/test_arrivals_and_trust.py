"""Who joins a standing cluster, and how far a cluster is to be trusted."""

import numpy as np
import pytest

from services.clusterer.clustering import trust
from services.clusterer.clustering.arrivals import arrive, standing
from services.clusterer.clustering.centring import centred
from services.clusterer.clustering.cluster import refit
from services.clusterer.clustering.types import NOISE, Anchor
from tests.unit.clusterer.clustering.conftest import Voices


def test_an_arrival_joins_its_own_voice_and_a_stranger_none(voices: Voices, anchor: Anchor) -> None:
    rows, speakers = voices.rows([9] * 20 + [1] * 10)
    old, new = np.flatnonzero((np.arange(190) % 9 != 0) & (speakers < 20)), np.arange(0, 180, 9)
    found = refit(None, np.zeros((len(old), 16), np.uint8), rows[old], np.full(len(old), 3.0), anchor).clustering
    stand = standing(rows[old], found)
    joined = arrive(rows[new], stand)
    assert (joined.labels == NOISE).mean() <= 0.2
    assert all(label in (NOISE, n) for n, label in enumerate(joined.labels))
    assert (arrive(rows[180:], stand).labels == NOISE).all()


def test_an_arrival_between_two_clusters_joins_neither(voices: Voices, anchor: Anchor) -> None:
    rows, _ = voices.rows([6] * 12)
    found = refit(None, np.zeros((72, 16), np.uint8), rows, np.full(72, 3.0), anchor).clustering
    stand = standing(rows, found)
    between = stand.mean + (stand.means[0] + stand.means[1])
    assert arrive((between / np.linalg.norm(between))[None].astype(np.float32), stand).labels.tolist() == [NOISE]


def test_where_nothing_stands_nothing_is_joined(voices: Voices, anchor: Anchor) -> None:
    rows, _ = voices.rows([1, 1])
    found = refit(None, np.zeros((2, 16), np.uint8), rows, np.full(2, 3.0), anchor).clustering
    assert arrive(rows, standing(rows, found)).labels.tolist() == [NOISE, NOISE]


def test_facts_of_a_clear_cluster_are_better_than_those_of_a_mixed_one(voices: Voices, anchor: Anchor) -> None:
    rows, _ = voices.rows([10] * 8)
    run = refit(None, np.zeros((80, 16), np.uint8), rows, np.full(80, 3.0), anchor)
    turned = centred(rows, run.clustering.mean)
    labels = np.where(run.clustering.labels == 1, 0, run.clustering.labels)  # the first two voices as one
    labels[labels > 1] -= 1
    stability = trust.stability(turned, run.state.graph, labels, run.state.cut, np.random.default_rng(0))
    mixed, *clear = trust.trusts(turned, labels, np.arange(80) // 5, stability)
    assert mixed.size == 20
    assert mixed.n_recordings == 4
    assert mixed.cohesion < min(fact.cohesion for fact in clear)
    assert mixed.margin < min(fact.margin for fact in clear)
    assert mixed.stability < 0.75 < min(fact.stability for fact in clear)


def test_exemplars_are_of_different_recordings_first(voices: Voices, anchor: Anchor) -> None:
    rows, _ = voices.rows([9, 9])
    run = refit(None, np.zeros((18, 16), np.uint8), rows, np.full(18, 3.0), anchor)
    recordings = np.arange(18) // 3
    facts = trust.trusts(centred(rows, run.clustering.mean), run.clustering.labels, recordings, np.ones(2))
    assert [len({int(recordings[row]) for row in fact.exemplars}) for fact in facts] == [3, 3]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_stability_is_between_nothing_and_all(voices: Voices, anchor: Anchor, share: float) -> None:
    rows, _ = voices.rows([6] * 5)
    run = refit(None, np.zeros((30, 16), np.uint8), rows, np.full(30, 3.0), anchor)
    turned = centred(rows, run.clustering.mean)
    cut = run.state.cut if share else 1.1  # nothing reaches a cosine above one
    found = trust.stability(turned, run.state.graph, run.clustering.labels, cut, np.random.default_rng(0))
    assert found == pytest.approx(np.full(5, 1.0), abs=0.05) if share else (found < 0.5).all()
