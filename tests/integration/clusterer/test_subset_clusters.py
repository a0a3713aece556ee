"""A subset is clustered by itself: its clusters are kept with the request, and those that stand stay as they are."""

from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from shared.ledger.outbox import announce, publish
from shared.storage import clustering_members, clusters, overview
from shared.storage.database import Database
from shared.storage.encoders import StoredEncoder
from shared.storage.overview import ClusteringState
from tests.integration.clusterer.voices import COLLECTION, cluster, label, names, spoken, work_off


@pytest.fixture
def segment_ids(database: Database, space: StoredEncoder) -> list[UUID]:
    """Three voices, each in a recording of its own; the collection is clustered and named."""
    found = [s for voice in (0, 1, 2) for s in spoken(database, space, voice, 6)]
    cluster(database)
    label(database, "Anna", segment_id=found[0])
    return found


@pytest.fixture
def subset_id(database: Database, segment_ids: list[UUID]) -> UUID:
    """The recordings of the first two voices."""
    subset_id = uuid4()
    with database.begin() as tx:
        tx.execute(
            sa.text("""
                INSERT INTO subset (subset_id, collection, name, spec, strata, n_recordings, n_excluded)
                VALUES (:subset_id, :collection, 'two', '{}', '[]', 2, 0)
            """),
            {"subset_id": subset_id, "collection": COLLECTION},
        )
        tx.execute(
            sa.text("""
                INSERT INTO subset_member (subset_id, place, key, recording_id)
                SELECT :subset_id, row_number() OVER (), recording_id::text, recording_id
                FROM (SELECT DISTINCT recording_id FROM segment WHERE segment_id = ANY(:ids)) AS r
            """),
            {"subset_id": subset_id, "ids": segment_ids[:12]},
        )
    return subset_id


def clustered(database: Database, subset_id: UUID) -> ClusteringState:
    with database.begin() as tx:
        asked = {"subset": "two", "subset_id": str(subset_id)}
        request = clusters.request(tx, COLLECTION, "spectral", asked)
        publish(tx, [announce(request)])
    work_off(database)
    with database.begin() as tx:
        return overview.clustering(tx, request.request_id)


def numbers(database: Database, request_id: UUID) -> dict[UUID, int | None]:
    with database.begin() as tx:
        found = clustering_members.members(tx, request_id, after=UUID(int=0), most=100)
    return {member.segment_id: member.cluster for member in found}


def everything(database: Database) -> tuple[object, ...]:
    with database.begin() as tx:
        current = clusters.standing(tx, COLLECTION, "spectral")
        return clusters.generation_of(tx, COLLECTION, "spectral"), clusters.members(tx, current), names(database)


def test_its_segments_are_clustered_and_nothing_else_changes(
    database: Database, segment_ids: list[UUID], subset_id: UUID
) -> None:
    before = everything(database)
    done = clustered(database, subset_id)
    assert (done.state, done.applied, done.generation) == ("done", False, None)
    assert (done.segments, done.clusters, done.noise, done.standing) == (12, 2, 0, {"clusters": 2, "noise": 0})
    found = numbers(database, done.request_id)
    assert {s: found[s] for s in segment_ids[:6]} == dict.fromkeys(segment_ids[:6], found[segment_ids[0]])
    assert {found[s] for s in segment_ids[:12]} == {0, 1}
    assert len(found) == 12
    assert everything(database) == before


def test_the_newest_clustering_of_a_subset_is_kept(
    database: Database, segment_ids: list[UUID], subset_id: UUID
) -> None:
    first = clustered(database, subset_id)
    second = clustered(database, subset_id)
    assert numbers(database, first.request_id) == {}
    assert len(numbers(database, second.request_id)) == 12


def test_there_is_no_agreement_with_clusters_that_do_not_stand(
    database: Database, segment_ids: list[UUID], subset_id: UUID
) -> None:
    with database.begin() as tx:
        tx.execute(sa.text("DELETE FROM cluster"))
    done = clustered(database, subset_id)
    assert (done.clusters, done.standing, done.agreement) == (2, {"clusters": 0, "noise": 12}, None)
