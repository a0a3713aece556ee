from collections.abc import Iterator

import pytest

from shared.settings import Settings
from shared.storage.database import Database
from tests.integration.erasure.world import World


@pytest.fixture
def world(settings: Settings, database: Database) -> Iterator[World]:
    world = World(settings, database)
    yield world
    world.close()
