"""Where in a database something is still written down."""

from collections.abc import Collection

import sqlalchemy as sa

from shared.storage.database import Database, Transaction

_TABLES = sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")


def everywhere(database: Database, wanted: str, but: Collection[str] = ()) -> dict[str, int]:
    """In how many rows of which tables an id, a key or a word occurs, whatever column it stands in."""
    with database.begin() as tx:
        tables = [table for table in tx.execute(_TABLES).scalars() if table not in but]
        counts = {table: _count(tx, table, wanted) for table in tables}
    return {table: n for table, n in counts.items() if n}


def _count(tx: Transaction, table: str, wanted: str) -> int:
    there = "strpos(t::text, :wanted) > 0 OR strpos(t::text, :as_bytes) > 0"
    statement = sa.text(f"""SELECT count(*) FROM "{table}" t WHERE {there}""")
    return int(tx.execute(statement, {"wanted": wanted, "as_bytes": wanted.encode().hex()}).scalar_one())
