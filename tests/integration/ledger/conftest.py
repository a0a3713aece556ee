from pathlib import Path

import pytest

from shared.settings import Settings
from shared.storage import collections, encoders
from shared.storage.database import Database
from shared.storage.objects import ObjectStore
from tests.integration.ledger.sweeping import COLLECTION, SPACE, WIDE_HZ, Bucket


@pytest.fixture
def bucket(settings: Settings, database: Database, tmp_path: Path) -> Bucket:
    with database.begin() as tx:
        encoders.announce_encoder(tx, "e", SPACE, 4, {"sample_rate_hz": WIDE_HZ})
        collections.create(tx, COLLECTION, "whole", ("e",))
    return Bucket(database, ObjectStore(settings.s3), settings.s3.derived_bucket, tmp_path)
