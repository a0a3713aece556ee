"""The migrations lead to the tables that the code describes."""

import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects.postgresql.base import ischema_names

from shared.settings import Settings
from shared.storage import migrate
from shared.storage.database import Database, Transaction
from shared.storage.tables import Vector, metadata

PARTITION = re.compile(r"embedding_\d+")
MIGRATIONS = Path(migrate.__file__).parent / "migrations"


@pytest.fixture(autouse=True)
def known_vector_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLAlchemy warns of types that it does not know when it looks at a database."""
    monkeypatch.setitem(ischema_names, "vector", Vector)


def ours(_: Any, name: str | None, kind: str, *__: Any) -> bool:
    """The partitions of `embedding` are made when an encoder is announced; alembic keeps a table of its own."""
    return not (kind == "table" and (name == "alembic_version" or PARTITION.fullmatch(name or "")))


def same_type(_: Any, __: Any, ___: Any, found: Any, described: Any) -> bool | None:
    """None leaves the comparison to alembic; a vector has no length to compare."""
    return False if isinstance(found, Vector) and isinstance(described, Vector) else None


def context(tx: Transaction) -> MigrationContext:
    options = {"include_object": ours, "compare_type": same_type, "compare_server_default": True}
    return MigrationContext.configure(tx, opts={**options, "target_metadata": metadata})


def test_the_migrated_database_has_the_tables_that_the_code_describes(database: Database) -> None:
    with database.begin() as tx:
        assert compare_metadata(context(tx), metadata) == []


def test_rows_of_a_segment_that_goes_are_found_by_an_index(database: Database) -> None:
    """Else each of ten thousand erased segments would have whole tables read."""
    query = sa.text("""
        SELECT c.conrelid::regclass::text FROM pg_constraint c
        WHERE c.contype = 'f' AND c.confrelid = 'segment'::regclass AND NOT EXISTS (
            SELECT FROM pg_index i
            WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1] AND i.indpred IS NULL)
    """)
    with database.begin() as tx:
        assert set(tx.execute(query).scalars()) == {"deferred"}  # the strays of the last few messages


def test_a_difference_would_be_noticed(database: Database) -> None:
    with database.begin() as tx:
        tx.execute(sa.text("ALTER TABLE segment DROP COLUMN text"))
        tx.execute(sa.text("DROP INDEX ix_delivery_queued"))
        differences = compare_metadata(context(tx), metadata)
        tx.rollback()
    assert sorted(difference[0] for difference in differences) == ["add_column", "add_index"]


def test_the_checks_of_the_tables_are_in_the_database(database: Database) -> None:
    """Alembic does not compare check constraints."""
    described = {
        (table.name, constraint.name)
        for table in metadata.sorted_tables
        for constraint in table.constraints
        if isinstance(constraint, sa.CheckConstraint)
    }
    with database.begin() as tx:
        inspector = sa.inspect(tx)
        names = [name for name in inspector.get_table_names() if not PARTITION.fullmatch(name)]
        found = {(name, check["name"]) for name in names for check in inspector.get_check_constraints(name)}
    assert found == described


def test_vectors_are_partitioned_by_encoder(database: Database) -> None:
    with database.begin() as tx:
        key = tx.execute(sa.text("SELECT pg_get_partkeydef('embedding'::regclass)")).scalar_one()
    assert key == "LIST (encoder_id)"


def test_the_database_stands_at_the_last_of_one_line_of_migrations(database: Database) -> None:
    (head,) = ScriptDirectory(MIGRATIONS).get_heads()
    with database.begin() as tx:
        assert context(tx).get_current_revision() == head


def test_to_migrate_again_changes_nothing(database: Database, settings: Settings) -> None:
    migrate.upgrade(settings.database.url.get_secret_value())
    with database.begin() as tx:
        assert compare_metadata(context(tx), metadata) == []
