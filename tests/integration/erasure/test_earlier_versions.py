"""Objects that a release before 0016 had found gone: the log tells which recording they held."""

from collections.abc import Iterator

import pytest

from shared import ids
from shared.settings import Settings
from shared.storage import migrate
from shared.storage.database import Database
from tests.integration.erasure.test_nothing_is_left import erase, finished
from tests.integration.erasure.world import World
from tests.support.traces import everywhere

BEFORE = "0015"


@pytest.fixture
def url(settings: Settings, database: Database) -> Iterator[str]:
    del database  # the fixture empties it
    url = settings.database.url.get_secret_value()
    yield url
    migrate.upgrade(url)


def test_a_key_that_was_found_gone_before_goes_with_its_recording(world: World, url: str) -> None:
    one = world.recording("staying")
    key = one.keys[0]
    migrate.downgrade(url, BEFORE)
    object_id = ids.object_id("audio", key)
    world.rows(
        "UPDATE stored_object SET state = 'rejected', recording_id = NULL, etag = '', code = 'object_gone' "
        "WHERE object_id = :id RETURNING 1",
        id=object_id,
    )
    world.store.delete("audio", key)
    migrate.upgrade(url)
    assert world.rows("SELECT last_recording_id FROM stored_object") == [(one.recording_id,)]
    erased = erase(world, one)
    world.work_off()
    assert finished(world, erased)
    assert everywhere(world.database, key) == {}
