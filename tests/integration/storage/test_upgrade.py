"""A database of the last release, with data in it, comes forward: names, clusters and the log survive."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from services.clusterer import handlers
from services.ingest.decoded import derived_key
from services.launcher import stack
from shared.settings import ClustererSettings, DatabaseSettings
from shared.storage import (
    clustering_states,
    clusters,
    explain,
    generations_before,
    labels,
    listing_labels,
    migrate,
    reversals,
    words,
)
from shared.storage.database import Database
from tests.support.stack import open_folder

ANNA = uuid4()
SEGMENTS = [uuid4() for _ in range(4)]
CLUSTER, RETIRED = uuid4(), uuid4()
BY_HAND, OF_CLUSTER, SPREAD, IDENTIFIED, CLUSTERED = (uuid4() for _ in range(5))

# As the first schema held it: a segment named by hand, a cluster named, a segment identified.
DATA = f"""
INSERT INTO collection (name, segmenter, encoders) VALUES ('old', 'whole', '{{ge2e}}');
INSERT INTO recording (recording_id, collection, sha256, n_samples, facts)
    VALUES ('{UUID(int=1)}', 'old', 'x', 1000000, '{{}}');
INSERT INTO stored_object (object_id, collection, bucket, key, etag, size_bytes, state, recording_id)
    VALUES ('{UUID(int=3)}', 'old', 'audio', 'old/x.wav', 'tag', 1, 'registered', '{UUID(int=1)}'),
           ('{UUID(int=4)}', 'old', 'audio', 'old/y.wav', 'tag', 1, 'registered', '{UUID(int=1)}');
INSERT INTO segment (segment_id, recording_id, collection, start_sample, end_sample, source)
    SELECT id, '{UUID(int=1)}', 'old', n * 1000, n * 1000 + 900, 'whole@1'
    FROM unnest(ARRAY{[str(s) for s in SEGMENTS]}::uuid[]) WITH ORDINALITY AS s(id, n);
INSERT INTO encoder (name, space, dimension, spec)
    VALUES ('ge2e', 'ge2e_old', 4, '{{"assign_threshold": 0.84, "min_duration_s": 0.8}}');
CREATE TABLE embedding_1 PARTITION OF embedding FOR VALUES IN (1);
INSERT INTO speaker (speaker_id, name) VALUES ('{ANNA}', 'Anna');
INSERT INTO clustering (request_id, collection, encoder, generation, n_clusters, n_noise, n_segments, finished_at)
    VALUES ('{UUID(int=2)}', 'old', 'ge2e', 2, 1, 1, 4, now());
INSERT INTO cluster (cluster_id, collection, encoder, generation, current, n_segments, n_recordings, cohesion,
                     exemplar_segment_id)
    VALUES ('{RETIRED}', 'old', 'ge2e', 1, false, 2, 1, 0.9, '{SEGMENTS[0]}'),
           ('{CLUSTER}', 'old', 'ge2e', 2, true, 3, 1, 0.9, '{SEGMENTS[1]}');
INSERT INTO cluster_member (cluster_id, segment_id, probability)
    VALUES ('{RETIRED}', '{SEGMENTS[0]}', 1), ('{RETIRED}', '{SEGMENTS[1]}', 1),
           ('{CLUSTER}', '{SEGMENTS[0]}', 1), ('{CLUSTER}', '{SEGMENTS[1]}', 1), ('{CLUSTER}', '{SEGMENTS[2]}', 0.5);
INSERT INTO label (label_id, collection, operation, speaker_id, segment_id, cluster_id, actor, cause_id) VALUES
    ('{BY_HAND}', 'old', 'assign', '{ANNA}', '{SEGMENTS[0]}', NULL, 'me', NULL),
    ('{OF_CLUSTER}', 'old', 'assign', '{ANNA}', NULL, '{CLUSTER}', 'me', NULL),
    ('{SPREAD}', 'old', 'propagate', '{ANNA}', NULL, NULL, 'clusterer@1', '{OF_CLUSTER}'),
    ('{IDENTIFIED}', 'old', 'identify', NULL, NULL, NULL, 'clusterer@1', '{OF_CLUSTER}');
INSERT INTO label_effect (label_id, segment_id, speaker_id, assigned_by, confidence) VALUES
    ('{BY_HAND}', '{SEGMENTS[0]}', '{ANNA}', 'human', 1), ('{SPREAD}', '{SEGMENTS[1]}', '{ANNA}', 'cluster', NULL),
    ('{SPREAD}', '{SEGMENTS[2]}', '{ANNA}', 'cluster', NULL),
    ('{IDENTIFIED}', '{SEGMENTS[3]}', '{ANNA}', 'identification', 0.9);
INSERT INTO assignment (segment_id, collection, speaker_id, assigned_by, confidence, label_id) VALUES
    ('{SEGMENTS[0]}', 'old', '{ANNA}', 'human', 1, '{BY_HAND}'),
    ('{SEGMENTS[1]}', 'old', '{ANNA}', 'cluster', NULL, '{SPREAD}'),
    ('{SEGMENTS[2]}', 'old', '{ANNA}', 'cluster', NULL, '{SPREAD}'),
    ('{SEGMENTS[3]}', 'old', '{ANNA}', 'identification', 0.9, '{IDENTIFIED}');
"""

# What the second schema adds: what the next clustering begins from, and clusterings in the log.
OF_0002 = f"""
INSERT INTO clustering_state (collection, space, generation, state, standing) VALUES ('old', 'ge2e_old', 2, 'a', 'b');
INSERT INTO label (label_id, collection, operation, actor) VALUES ('{CLUSTERED}', 'old', 'cluster', 'clusterer@2');
"""


@pytest.fixture(scope="module")
def upgraded() -> Iterator[Database]:
    """A Postgres of its own: the role of the servers' database may not make a second one."""
    with open_folder() as folder:
        state = stack.up(folder, services=())
        try:
            migrate.upgrade(state.database_url, "0001")
            database = Database(DatabaseSettings(url=state.database_url))
            with database.begin() as tx:
                tx.exec_driver_sql(DATA)
            migrate.upgrade(state.database_url, "0002")
            with database.begin() as tx:
                tx.exec_driver_sql(OF_0002)
            migrate.upgrade(state.database_url)
            yield database
            database.close()
        finally:
            stack.down(folder)


def test_names_clusters_and_words_come_forward(upgraded: Database) -> None:
    with upgraded.begin() as tx:
        now = labels.names(tx, SEGMENTS)
        assert {s: (n.speaker_id, n.assigned_by) for s, n in now.items()} == {
            SEGMENTS[0]: (ANNA, "human"),
            SEGMENTS[1]: (ANNA, "cluster"),
            SEGMENTS[2]: (ANNA, "cluster"),
            SEGMENTS[3]: (ANNA, "identification"),
        }
        assert labels.as_of(tx, "old", "infinity").keys() == now.keys()
        said = {s: (w.kind, w.label_id) for s, w in words.said(tx, SEGMENTS).items()}
        assert said[SEGMENTS[0]] == ("human", BY_HAND)
        assert said[SEGMENTS[2]] == ("cluster", OF_CLUSTER)
        assert clusters.members(tx, [CLUSTER, RETIRED]) == {
            CLUSTER: {SEGMENTS[0]: 1.0, SEGMENTS[1]: 1.0, SEGMENTS[2]: 0.5}
        }
        assert [c.cluster_id for c in listing_labels.clusters(tx, "old", "ge2e", most=10)] == [CLUSTER]
        why = explain.why(tx, SEGMENTS[2])
        assert why.because is not None
        assert (why.speaker, why.because.label_id) == ("Anna", OF_CLUSTER)


def test_an_original_that_was_read_as_it_came_is_seen_anew_by_the_sweep(upgraded: Database) -> None:
    with upgraded.begin() as tx:
        tags = sa.text("SELECT key, etag FROM stored_object ORDER BY key")
        assert tx.execute(tags).all() == [("old/x.wav", ""), ("old/y.wav", "tag")]
        assert tx.execute(sa.text("SELECT derived_key FROM recording")).scalar_one() == derived_key("x")


def test_a_label_of_the_last_release_can_be_taken_back(upgraded: Database) -> None:
    with upgraded.begin() as tx:
        recorded = reversals.undo(tx, OF_CLUSTER, "me")
        for event in recorded.events:
            labels.lock_names(tx, event.collection)
            handlers.spread(tx, event, ClustererSettings())
        # The segment that was named by hand still names its cluster.
        assert {s: n.because_id for s, n in labels.names(tx, SEGMENTS[:3]).items()} == dict.fromkeys(
            SEGMENTS[:3], BY_HAND
        )


def test_a_clustering_of_the_last_release_stands_and_cannot_be_taken_back(upgraded: Database) -> None:
    with upgraded.begin() as tx:
        generation = generations_before.standing(tx, "old", "ge2e")
        assert generation is not None
        assert (generation.generation, generation.label_id) == (2, None)
        assert clustering_states.state(tx, "old", "ge2e_old", 2) == b"a"
        assert clustering_states.standing(tx, "old", "ge2e_old", 2) == b"b"
    with pytest.raises(reversals.NotKept), upgraded.begin() as tx:
        reversals.undo(tx, CLUSTERED, "me")
