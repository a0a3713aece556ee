"""A database of the last release, with rows in every table: it comes forward, goes back, and comes forward again.

The rows are made from the tables themselves, so that none can be forgotten.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from services.launcher import stack
from services.launcher.stack.errors import PostgresOtherMajor, SchemaTooNew
from services.launcher.stack.layout import Layout
from shared.settings import DatabaseSettings
from shared.storage import migrate
from shared.storage.database import Database
from shared.storage.tables import Vector
from tests.support.stack import open_folder

LAST_RELEASE = "0010"
N_ROWS = 3
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
PARTITION = re.compile(r"embedding_\d+")

# Where a row must fit together.
FITTING: dict[tuple[str, str], Any] = {
    ("segment", "end_sample"): 1000,
    ("frame_blob", "encoder_id"): 1,
    ("embedding", "encoder_id"): 1,
    ("rendition", "code"): None,
    ("encoder", "dimension"): 2,
}
VALUES: tuple[tuple[type[sa.types.TypeEngine[Any]], Any], ...] = (
    (Vector, "[0.6,0.8]"),
    (pg.JSONB, lambda n: {"n": n, "collection": f"name {n}"}),
    (sa.Boolean, lambda n: n % 2 == 0),
    (sa.Integer, lambda n: n + 1),
    (sa.REAL, 0.5),
    (sa.Double, 0.5),
    (sa.Float, 0.5),
    (sa.LargeBinary, b"bytes"),
    (sa.DateTime, BEGAN),
    (sa.Interval, "1 second"),
)


def value(table: sa.Table, column: sa.Column[Any], n: int, allowed: list[str]) -> Any:
    """What the nth row of a table has there: of its type, allowed by its checks, and found where it refers to."""
    if (table.name, column.name) in FITTING:
        return FITTING[table.name, column.name]
    if (table.name, column.name) == ("delivery", "event_id"):  # no foreign key, and yet of an event
        return of_type(column.type, "event.event_id", "", n)
    for key in column.foreign_keys:
        return value(key.column.table, key.column, n, [])
    if allowed:
        return allowed[n % len(allowed)]
    return of_type(column.type, f"{table.name}.{column.name}", column.name, n)


def of_type(kind: sa.types.TypeEngine[Any], place: str, name: str, n: int) -> Any:
    if isinstance(kind, pg.ARRAY):
        return [of_type(kind.item_type, place, name, n)]
    if isinstance(kind, sa.Uuid):
        return uuid5(NAMESPACE_URL, f"{place} {n}")
    for cls, made in VALUES:
        if isinstance(kind, cls):
            return made(n) if callable(made) else made
    return f"{name} {n}"


def rows_for(inspector: sa.Inspector, table: sa.Table, numbers: range) -> list[dict[str, Any]]:
    allowed = {}
    for check in inspector.get_check_constraints(table.name):
        if column := re.match(r"\(?(\w+) = ANY", check["sqltext"]):
            allowed[column[1]] = re.findall(r"'(.*?)'", check["sqltext"])
    written = [c for c in table.columns if c.identity is None or not c.identity.always]
    return [{c.name: value(table, c, n, allowed.get(c.name, [])) for c in written} for n in numbers]


def fill(database: Database, tables: sa.MetaData, numbers: range) -> None:
    with database.begin() as tx:
        inspector = sa.inspect(tx)
        for table in tables.sorted_tables:
            tx.execute(sa.insert(table), rows_for(inspector, table, numbers))


def contents(database: Database, tables: sa.MetaData) -> dict[str, list[dict[str, Any]]]:
    """Every row of these tables, in the columns that they have here."""
    found = {}
    with database.begin() as tx:
        for table in tables.sorted_tables:
            columns = ", ".join(f'"{c.name}"' for c in table.columns)
            query = f'SELECT to_jsonb(r) FROM (SELECT {columns} FROM "{table.name}") AS r ORDER BY CAST(r AS text)'
            found[table.name] = list(tx.execute(sa.text(query)).scalars())
    return found


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with open_folder() as path:
        yield path
        stack.down(path)


@pytest.fixture(scope="module")
def database(folder: Path) -> Iterator[Database]:
    """Of the last release, and empty."""
    state = stack.up(folder, services=())
    migrate.upgrade(state.database_url, LAST_RELEASE)
    opened = Database(DatabaseSettings(url=state.database_url))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def url(folder: Path, database: Database) -> str:
    state = stack.running(folder)
    assert state is not None
    return state.database_url


@pytest.fixture(scope="module")
def released(database: Database) -> sa.MetaData:
    """The tables of the last release, as its own code would write to them; each with rows in it."""
    tables = sa.MetaData()
    with pytest.MonkeyPatch.context() as patch, database.begin() as tx:
        patch.setitem(pg.base.ischema_names, "vector", Vector)
        tx.execute(sa.text("CREATE TABLE IF NOT EXISTS embedding_1 PARTITION OF embedding FOR VALUES IN (1)"))
        ours = [n for n in sa.inspect(tx).get_table_names() if n != "alembic_version" and not PARTITION.fullmatch(n)]
        tables.reflect(tx, only=ours)
    fill(database, tables, range(N_ROWS))
    return tables


@pytest.fixture(scope="module")
def upgraded(
    url: str, database: Database, released: sa.MetaData
) -> tuple[Mapping[str, list[dict[str, Any]]], Mapping[str, list[dict[str, Any]]]]:
    """All rows before, and the same ones after."""
    before = contents(database, released)
    migrate.upgrade(url)
    return before, contents(database, released)


def test_every_table_had_rows(upgraded: Any) -> None:
    before, _ = upgraded
    assert {name for name, rows in before.items() if len(rows) != N_ROWS} == set()


def test_no_row_and_no_value_is_lost_on_the_way_forward(upgraded: Any) -> None:
    before, after = upgraded
    assert after == before


def test_what_is_new_of_old_rows_is_filled_in(upgraded: Any, database: Database) -> None:
    del upgraded
    with database.begin() as tx:
        turns = tx.execute(
            sa.text("SELECT d.collection, e.data->>'collection' FROM delivery d JOIN event e USING (event_id)")
        )
        assert [of == said for of, said in turns] == [True] * N_ROWS
        assert (
            tx.execute(
                sa.text("SELECT count(*) FROM erasure WHERE finished_at IS DISTINCT FROM erased_at")
            ).scalar_one()
            == 0
        )


def test_what_a_worker_of_the_last_release_writes_is_taken(
    upgraded: Any, database: Database, released: sa.MetaData
) -> None:
    """Old and new ones work side by side: new columns have defaults, old ones stay."""
    del upgraded
    fill(database, released, range(N_ROWS, 2 * N_ROWS))
    assert {len(rows) for rows in contents(database, released).values()} == {2 * N_ROWS}


def test_the_way_back_leads_to_the_same_rows_and_forward_again(
    upgraded: Any, url: str, database: Database, released: sa.MetaData
) -> None:
    del upgraded
    before = contents(database, released)
    migrate.downgrade(url, LAST_RELEASE)
    assert contents(database, released) == before
    with database.begin() as tx:
        left = set(sa.inspect(tx).get_table_names()) - {"alembic_version"}
        assert {name for name in left if not PARTITION.fullmatch(name)} == set(released.tables)
    migrate.upgrade(url)
    assert contents(database, released) == before


def test_up_brings_an_older_data_directory_forward_and_says_so(url: str, folder: Path, upgraded: Any) -> None:
    migrate.downgrade(url, LAST_RELEASE)
    stack.down(folder)
    said: list[str] = []
    stack.up(folder, services=("relay",), on_progress=said.append)
    assert [line for line in said if f"from revision {LAST_RELEASE} to" in line]


def test_up_refuses_a_data_directory_of_a_newer_version(url: str, folder: Path, database: Database) -> None:
    with database.begin() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(migrate.SchemaTooNew, match="9999"):
        migrate.upgrade(url)
    stack.down(folder)
    with pytest.raises(SchemaTooNew, match="9999"):
        stack.up(folder, services=("relay",))
    assert stack.running(folder) is None


def test_up_refuses_the_files_of_another_postgres(folder: Path) -> None:
    stack.down(folder)
    written = Layout(folder).postgres / "PG_VERSION"
    was = written.read_text()
    written.write_text("17\n")
    try:
        with pytest.raises(PostgresOtherMajor, match="Postgres 17"):
            stack.up(folder, services=())
    finally:
        written.write_text(was)


def test_both_refusals_have_one_code() -> None:
    assert SchemaTooNew.code == migrate.SchemaTooNew.code
    assert SchemaTooNew.remedy() == migrate.SchemaTooNew.remedy()
