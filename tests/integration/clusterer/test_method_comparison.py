"""Another method is compared with the clusters that stand, and takes their place only when that is asked for."""

from typing import Any
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa

from services.clusterer.clustering import alternatives
from services.clusterer.method_comparison import agreement
from shared.ledger.outbox import announce, publish
from shared.storage import clusters, overview
from shared.storage.database import Database
from shared.storage.encoders import StoredEncoder
from shared.storage.overview import ClusteringState
from tests.integration.clusterer.voices import COLLECTION, label, names, spoken, work_off


def clustered(database: Database, **asked: Any) -> ClusteringState:
    with database.begin() as tx:
        request = clusters.request(tx, COLLECTION, "spectral", asked)
        publish(tx, [announce(request)])
    work_off(database)
    with database.begin() as tx:
        return overview.clustering(tx, request.request_id)


def standing(database: Database) -> tuple[int, dict[UUID, dict[UUID, float]]]:
    with database.begin() as tx:
        current = clusters.standing(tx, COLLECTION, "spectral")
        return clusters.generation_of(tx, COLLECTION, "spectral"), clusters.members(tx, current)


def n_updates(database: Database) -> int:
    with database.begin() as tx:
        return int(tx.execute(sa.text("SELECT count(*) FROM event WHERE type LIKE '%clusters.updated%'")).scalar_one())


@pytest.fixture
def anna(database: Database, space: StoredEncoder) -> list[UUID]:
    anna = spoken(database, space, 0, 6)
    spoken(database, space, 1, 6)
    return anna


def test_a_comparison_is_written_down_and_changes_nothing(database: Database, anna: list[UUID]) -> None:
    assert clustered(database).applied
    label(database, "Anna", segment_id=anna[0])
    before = standing(database), names(database), n_updates(database)
    found = clustered(database, method="agglomerative")
    assert (standing(database), names(database), n_updates(database)) == before
    assert (found.state, found.applied, found.generation, found.segments) == ("done", False, None, 12)
    assert (found.method, found.standing) == ("agglomerative", {"clusters": 2, "noise": 0})
    assert (found.clusters, found.noise, found.agreement) == (2, 0, pytest.approx(1.0))


def test_before_any_clustering_there_is_nothing_to_agree_with(database: Database, anna: list[UUID]) -> None:
    found = clustered(database, method="agglomerative")
    assert (found.standing, found.agreement) == ({"clusters": 0, "noise": 12}, None)
    assert standing(database) == (0, {})


def test_a_method_that_is_applied_takes_the_place(database: Database, anna: list[UUID]) -> None:
    clustered(database)
    found = clustered(database, method="agglomerative", apply=True)
    assert (found.applied, found.generation, found.standing) == (True, 2, None)
    assert standing(database)[0] == 2
    assert n_updates(database) == 2


def test_requests_of_one_message_are_told_apart(database: Database, anna: list[UUID]) -> None:
    with database.begin() as tx:
        asked = [{}, {"method": "agglomerative"}, {}]
        requests = [clusters.request(tx, COLLECTION, "spectral", one) for one in asked]
        publish(tx, [announce(request) for request in requests])
    work_off(database)
    with database.begin() as tx:
        done = [overview.clustering(tx, request.request_id) for request in requests]
    assert [(one.generation, one.applied) for one in done] == [(1, True), (None, False), (1, True)]
    assert {one.state for one in done} == {"done"}


def test_what_a_method_cannot_cluster_is_told_and_changes_nothing(
    database: Database, anna: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alternatives, "MOST_PAIRS", 11**2)
    found = clustered(database, method="spectral")
    assert (found.state, found.code, found.applied, found.generation) == ("failed", "too_many_rows", False, None)
    assert found.reason is not None
    assert "12" in found.reason
    assert standing(database) == (0, {})


def test_agreement_counts_noise_as_voices_of_their_own() -> None:
    whole, noise = np.array([0, 0, 1, 1]), np.array([-1, -1, -1, -1])
    assert agreement(whole, whole[::-1].copy()) == 1
    assert agreement(noise, noise) == 1
    assert agreement(whole, noise) == 0
