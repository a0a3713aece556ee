"""Tables are brought forward while others work on them: whoever holds one is waited for shortly, and let through."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import sqlalchemy as sa

from shared.settings import Settings
from shared.storage import migrate
from shared.storage.database import Database

BEFORE = "0010"


@pytest.fixture
def url(settings: Settings, database: Database) -> Iterator[str]:
    """Of a database that stands where the last release left it."""
    del database  # the fixture empties it
    url = settings.database.url.get_secret_value()
    migrate.downgrade(url, BEFORE)
    yield url
    migrate.upgrade(url)


@pytest.mark.parametrize("table", ["stored_object", "collection", "delivery", "event"])
def test_a_migration_steps_back_while_a_table_is_in_use(
    url: str, database: Database, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    with ExitStack() as work:
        tx = work.enter_context(database.begin())
        tx.execute(sa.text(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE"))
        monkeypatch.setattr(migrate, "_LOCK_TIMEOUT", "50ms")
        monkeypatch.setattr(migrate, "sleep", lambda _: work.close())
        migrated = migrate.upgrade(url)
    assert migrated.before == BEFORE
    assert migrated.now > BEFORE


def test_a_migration_gives_up_with_a_reason(url: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "_LOCK_TIMEOUT", "20ms")
    monkeypatch.setattr(migrate, "_MOST_TRIES", 2)
    with database.begin() as tx:
        tx.execute(sa.text("LOCK TABLE delivery IN ROW EXCLUSIVE MODE"))
        with pytest.raises(migrate.SchemaInUse):
            migrate.upgrade(url)


def test_an_index_that_broke_off_is_built_anew(url: str, database: Database) -> None:
    migrate.upgrade(url, "0014")
    with database.begin() as tx:  # as a migration that was killed before its end leaves it
        tx.execute(sa.text("ALTER TABLE event ADD began_at timestamptz, ADD attempt integer"))
        tx.execute(sa.text("CREATE INDEX ix_event_subject ON event (subject)"))
    migrate.upgrade(url)
    with database.begin() as tx:
        definition = tx.execute(sa.text("SELECT pg_get_indexdef('ix_event_subject'::regclass)")).scalar_one()
    assert "(subject, xid, seq)" in definition
