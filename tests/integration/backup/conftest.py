from pathlib import Path

import pytest

from shared.storage.database import Database
from tests.integration.backup.folders import Backups, fill
from tests.support.stack import Servers


@pytest.fixture
def filled(servers: Servers, database: Database) -> Servers:
    fill(servers, database)
    return servers


@pytest.fixture
def backups(filled: Servers, tmp_path: Path) -> Backups:
    return Backups(filled, tmp_path)
