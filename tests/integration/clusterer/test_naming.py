"""Names spread on a real Postgres: to the cluster, to the neighbours, to arrivals; never over a person's word."""

from uuid import uuid4

import numpy as np
import pytest
import sqlalchemy as sa

from services.clusterer import hearing
from services.clusterer.spaces import Space
from shared.ledger.outbox import announce, publish
from shared.storage import clusters, embeddings, labels
from shared.storage.database import Database
from shared.storage.encoders import StoredEncoder
from tests.integration.clusterer.voices import COLLECTION, cluster, embed, label, names, said, spoken, work_off


def test_one_label_names_its_whole_cluster_and_nobody_else(database: Database, space: StoredEncoder) -> None:
    anna, bert = spoken(database, space, 0, 6), spoken(database, space, 1, 6)
    cluster(database)
    label(database, "Anna", segment_id=anna[0])

    found = names(database)
    assert found[anna[0]] == ("Anna", "human")
    assert {found[s] for s in anna[1:]} == {("Anna", "cluster")}
    assert not set(bert) & found.keys()


def test_an_arrival_that_sounds_like_a_named_speaker_is_identified(database: Database, space: StoredEncoder) -> None:
    label(database, "Anna", segment_id=spoken(database, space, 0, 3)[0])
    again, stranger = spoken(database, space, 0, 4, seed=1), spoken(database, space, 2, 4)

    found = names(database)
    assert {found[s] for s in again} == {("Anna", "identification")}
    assert not set(stranger) & found.keys()


def test_a_label_among_few_voices_is_suggested_to_its_neighbours(database: Database, space: StoredEncoder) -> None:
    """Four voices say little of how unlike two voices may be: a person is asked rather than a name given."""
    anna, *others = (spoken(database, space, voice, 5) for voice in range(4))
    label(database, "Anna", segment_id=anna[0])

    assert set(names(database)) == {anna[0]}
    with database.begin() as tx:
        suggested = tx.execute(sa.text("SELECT segment_id, probability FROM suggestion")).all()
    assert {row.segment_id for row in suggested} == set(anna[1:])
    assert all(0.5 <= row.probability < 0.95 for row in suggested)
    assert not {s for other in others for s in other} & names(database).keys()


def test_a_persons_word_is_never_overwritten(database: Database, space: StoredEncoder) -> None:
    anna = spoken(database, space, 0, 6)
    spoken(database, space, 1, 6)
    label(database, "Somebody else", segment_id=anna[3])
    cluster(database)
    with database.begin() as tx:
        own = clusters.clusters_of(tx, "spectral", anna[:1])[anna[0]]
    label(database, "Anna", cluster_id=own)

    assert names(database)[anna[3]] == ("Somebody else", "human")
    assert names(database)[anna[0]] == ("Anna", "cluster")


def test_clusters_found_anew_leave_two_named_voices_their_words(database: Database, space: StoredEncoder) -> None:
    anna = spoken(database, space, 0, 6)
    spoken(database, space, 1, 6)
    cluster(database)
    label(database, "Anna", segment_id=anna[0])
    label(database, "Not Anna", segment_id=anna[1])
    cluster(database)

    found = names(database)
    assert found[anna[0]] == ("Anna", "human")
    assert found[anna[1]] == ("Not Anna", "human")


def test_a_corrected_label_takes_its_followers_along(database: Database, space: StoredEncoder) -> None:
    anna = spoken(database, space, 0, 6)
    spoken(database, space, 1, 6)
    cluster(database)
    label(database, "Ana", segment_id=anna[0])
    label(database, "Anna", segment_id=anna[0])

    assert {name for name, _ in names(database).values()} == {"Anna"}
    assert set(names(database)) == set(anna)


def test_noise_neither_receives_nor_passes_a_name(database: Database, space: StoredEncoder) -> None:
    anna = spoken(database, space, 0, 6)
    spoken(database, space, 1, 6)
    lonely = spoken(database, space, 3, 1)
    cluster(database)
    label(database, "Anna", segment_id=anna[0])
    label(database, "Lonely", segment_id=lonely[0])

    assert {s for s, (name, _) in names(database).items() if name == "Lonely"} == set(lonely)


def test_clustering_again_names_the_newcomers_of_a_named_cluster(database: Database, space: StoredEncoder) -> None:
    anna = spoken(database, space, 0, 6)
    spoken(database, space, 1, 6)
    with database.begin() as tx:  # a person's label that nothing has spread yet
        said(tx, "Anna", segment_id=anna[0])
    cluster(database)

    assert set(names(database)) == set(anna)


def test_the_log_tells_every_change_of_the_view(database: Database, space: StoredEncoder) -> None:
    anna = spoken(database, space, 0, 6)
    spoken(database, space, 1, 6)
    cluster(database)
    label(database, "Ana", segment_id=anna[0])
    label(database, "Anna", segment_id=anna[0])
    replay = """
        SELECT DISTINCT ON (segment_id) segment_id, speaker_id, assigned_by FROM label_effect
        ORDER BY segment_id, seq DESC
    """
    with database.begin() as tx:
        log = {r.segment_id: (r.speaker_id, r.assigned_by) for r in tx.execute(sa.text(replay)) if r.speaker_id}
        view = {r.segment_id: (r.speaker_id, r.assigned_by) for r in tx.execute(sa.text("SELECT * FROM assignment"))}
    assert log == view


def test_the_maintained_means_equal_the_labelled_vectors(database: Database, space: StoredEncoder) -> None:
    anna = spoken(database, space, 0, 6)
    spoken(database, space, 1, 6)
    cluster(database)
    label(database, "Anna", segment_id=anna[0])
    with database.begin() as tx:
        sums = tx.execute(sa.text("SELECT vector_sum, n FROM centroid")).one()
        ear = hearing.ear_of(tx, Space(COLLECTION, space))
        truth = ear.backend.scored(embeddings.of_segments(tx, space, anna).rows).sum(axis=0)
    assert sums.n == 6
    np.testing.assert_allclose(np.frombuffer(sums.vector_sum), truth, rtol=1e-12)


def test_a_label_for_a_segment_that_is_gone_is_named(database: Database, space: StoredEncoder) -> None:
    with database.begin() as tx, pytest.raises(labels.SegmentGone):
        said(tx, "Anna", segment_id=uuid4())
    with database.begin() as tx, pytest.raises(labels.ClusterGone):
        said(tx, "Anna", cluster_id=uuid4())


def test_two_requests_for_clusters_in_one_message_are_both_answered(database: Database, space: StoredEncoder) -> None:
    spoken(database, space, 0, 6)
    spoken(database, space, 1, 6)
    with database.begin() as tx:
        publish(tx, [announce(clusters.request(tx, COLLECTION, "spectral")) for _ in range(2)])
    work_off(database)

    with database.begin() as tx:
        found = tx.execute(sa.text("SELECT generation, n_clusters FROM clustering")).all()
    assert [tuple(row) for row in found] == [(1, 2), (1, 2)]


def test_the_last_word_on_a_cluster_counts_in_whatever_order_it_is_spread(
    database: Database, space: StoredEncoder
) -> None:
    anna = spoken(database, space, 0, 6)
    spoken(database, space, 1, 6)
    cluster(database)
    with database.begin() as tx:
        own = clusters.clusters_of(tx, "spectral", anna[:1])[anna[0]]
    events = []
    for name in ("Ada", "Bea"):
        with database.begin() as tx:
            events += [announce(event) for event in said(tx, name, cluster_id=own).events]
    for event in reversed(events):
        with database.begin() as tx:
            publish(tx, [event])
        work_off(database)

    assert {name for name, _ in names(database).values()} == {"Bea"}


def test_a_label_given_before_the_vector_exists_spreads_when_it_comes(database: Database, space: StoredEncoder) -> None:
    early = spoken(database, space, 0, 1, embedded=False)
    label(database, "Anna", segment_id=early[0])
    others = spoken(database, space, 0, 3, seed=1)
    assert not set(others) & names(database).keys()

    embed(database, space, early, voice=0)

    assert set(names(database)) == {*early, *others}
