"""Texts are clustered as voices are, by what they mean: nobody is named by it, and names do not count."""

from dataclasses import asdict, replace
from uuid import UUID

import numpy as np
import pytest

from shared.encoders import registry
from shared.ledger.outbox import announce, publish
from shared.storage import clusters, collections, embeddings, encoders, overview, statements
from shared.storage.database import Database
from shared.storage.encoders import StoredEncoder
from shared.storage.overview import ClusteringState
from shared.storage.statements import NotSpeech
from tests.integration.clusterer.voices import COLLECTION, VOICES, label, names, spoken, work_off

WORDS = "words"


@pytest.fixture
def words(database: Database, space: StoredEncoder) -> StoredEncoder:
    """An encoder of texts, behind the one that names."""
    spec = replace(registry.spec("spectral"), name=WORDS, modality="text", assign_threshold=0.95, min_duration_s=0.0)
    with database.begin() as tx:
        collections.add_encoder(tx, COLLECTION, WORDS)
        return encoders.announce_encoder(tx, WORDS, spec.space, spec.dimension, asdict(spec))


def written(database: Database, words: StoredEncoder, segment_ids: list[UUID], about: int) -> list[UUID]:
    """What is said in these segments is about one thing."""
    rows = VOICES[about] + 0.08 * np.random.default_rng(about).normal(size=(len(segment_ids), 64))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    with database.begin() as tx:
        embeddings.write(tx, words, segment_ids, rows)
    return segment_ids


def clustered(database: Database) -> ClusteringState:
    with database.begin() as tx:
        request = clusters.request(tx, COLLECTION, WORDS)
        publish(tx, [announce(request)])
    work_off(database)
    with database.begin() as tx:
        return overview.clustering(tx, request.request_id)


def standing(database: Database) -> dict[UUID, set[UUID]]:
    with database.begin() as tx:
        found = clusters.members(tx, clusters.standing(tx, COLLECTION, WORDS))
    return {cluster_id: set(inside) for cluster_id, inside in found.items()}


@pytest.fixture
def segment_ids(database: Database, space: StoredEncoder, words: StoredEncoder) -> list[UUID]:
    """Two voices; the first half of what each says is about one thing, the rest about another."""
    anna, bert = spoken(database, space, 0, 6), spoken(database, space, 1, 6)
    written(database, words, [*anna[:3], *bert[:3]], 2)
    written(database, words, [*anna[3:], *bert[3:]], 3)
    return [*anna, *bert]


def test_what_is_about_one_thing_is_one_cluster_whoever_says_it(database: Database, segment_ids: list[UUID]) -> None:
    anna, bert = segment_ids[:6], segment_ids[6:]
    label(database, "Anna", segment_id=anna[0])
    label(database, "Bert", segment_id=bert[0])
    before = names(database)
    done = clustered(database)
    assert (done.state, done.clusters, done.noise) == ("done", 2, 0)
    assert {frozenset(one) for one in standing(database).values()} == {
        frozenset([*anna[:3], *bert[:3]]),
        frozenset([*anna[3:], *bert[3:]]),
    }
    assert names(database) == before


def test_a_cluster_of_texts_keeps_its_id_and_cannot_be_named(database: Database, segment_ids: list[UUID]) -> None:
    clustered(database)
    before = standing(database)
    label(database, "Anna", segment_id=segment_ids[0])
    assert clustered(database).generation == 2
    assert standing(database) == before
    with database.begin() as tx, pytest.raises(NotSpeech):
        statements.name_cluster(tx, next(iter(before)), "Anna", "test")
