"""What tests of ingest work with."""

from collections.abc import Iterator

import pytest

from shared.settings import Settings
from shared.storage.database import Database
from tests.integration.ingest.unpacking_shop import Shop
from tests.support.stack import Servers


@pytest.fixture
def shop(servers: Servers, settings: Settings, database: Database) -> Iterator[Shop]:
    shop = Shop(servers, settings, database)
    yield shop
    shop.close()
