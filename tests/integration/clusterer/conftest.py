"""The space in which voices are heard."""

from dataclasses import asdict

import pytest

from shared.encoders import registry
from shared.storage import collections, encoders
from shared.storage.database import Database
from shared.storage.encoders import StoredEncoder
from tests.integration.clusterer.voices import COLLECTION


@pytest.fixture
def space(database: Database) -> StoredEncoder:
    spec = registry.spec("spectral")
    with database.begin() as tx:
        collections.ensure(tx, COLLECTION, "whole", ("spectral",))
        return encoders.announce_encoder(tx, spec.name, spec.space, spec.dimension, asdict(spec))
