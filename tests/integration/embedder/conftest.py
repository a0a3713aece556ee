from collections.abc import Iterator

import pytest

from shared.settings import Settings
from shared.storage.database import Database
from tests.integration.embedder.working import Workshop, two_encoders


@pytest.fixture
def workshop(settings: Settings, database: Database) -> Iterator[Workshop]:
    """Two encoders are offered; the collection has the first of them."""
    workshop = Workshop(settings, database, two_encoders())
    yield workshop
    workshop.fetching.shutdown()
    workshop.folder.cleanup()
