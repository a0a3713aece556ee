"""Bring a database to the schema of this version; safe to run from several machines at once, and beside workers."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Final

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from shared.errors import EarmarkError, PermanentError, TransientError
from shared.settings import Settings
from shared.storage import roles
from shared.storage.database import with_driver
from shared.telemetry import configure_logging

_LOCK_FOR_MIGRATIONS = 0x6561726E
_LOCK_TIMEOUT: Final = "3s"
"""Whoever waits for a table has all others wait behind it: rather step back and let them go first."""

_PAUSE_S: Final = 0.5
_MOST_TRIES: Final = 60  # three minutes, if each waits for its locks as long as it may

_TRY_LOCK = sa.text("SELECT pg_try_advisory_lock(:key)")
_WAIT_SHORTLY = sa.text("SELECT set_config('lock_timeout', :timeout, false)")
_IN_USE: Final = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)


class SchemaInUse(TransientError):
    """Somebody holds the tables in a long transaction; `pg_stat_activity` names them. What was migrated stays so."""

    code = "schema_in_use"


class SchemaTooNew(PermanentError):
    """A newer Earmark has been here: install that version, or restore a backup that this one understands."""

    code = "schema_too_new"


@dataclass(frozen=True, slots=True)
class Migrated:
    """Where the tables stood before, None where there were none, and where they stand now."""

    before: str | None
    now: str


def upgrade(url: str, revision: str = "head") -> Migrated:
    """Run every migration that the database has not seen, up to one.

    Raises SchemaTooNew, with nothing changed, and SchemaInUse.
    """
    with _held(url) as (connection, config):
        before = revision_of(connection)
        connection.commit()
        _require_known(before, config)
        _patiently(lambda: command.upgrade(config, revision), connection)
        now = revision_of(connection)
        assert now is not None
        roles.grant(connection)
        connection.commit()
        return Migrated(before, now)


def downgrade(url: str, revision: str) -> None:
    """Go back to an earlier revision; what only the later ones hold is lost."""
    with _held(url) as (connection, config):
        _patiently(lambda: command.downgrade(config, revision), connection)


def require_known(revision: str | None) -> None:
    """Raises SchemaTooNew for a revision that this version has no migration to."""
    _require_known(revision, _config())


def revision_of(connection: sa.Connection) -> str | None:
    """Where a database stands; None before the first migration."""
    return MigrationContext.configure(connection).get_current_revision()


def _patiently(run: Callable[[], None], connection: sa.Connection) -> None:
    """Migrate, again from where it stands whenever the tables are in use. Raises SchemaInUse."""
    for _ in range(_MOST_TRIES):
        try:
            return run()
        except sa.exc.OperationalError as error:
            if not isinstance(error.orig, _IN_USE):
                raise
            connection.rollback()
            sleep(_PAUSE_S)
    raise SchemaInUse


@contextmanager
def _held(url: str) -> Iterator[tuple[sa.Connection, Config]]:
    """A connection to the database while nobody else migrates it."""
    engine = sa.create_engine(with_driver(url), poolclass=sa.NullPool)
    config = _config()
    try:
        with engine.connect() as connection:
            # Asked again and again: the one who holds it may wait for all snapshots to end, and to wait is to hold one.
            while not connection.execute(_TRY_LOCK, {"key": _LOCK_FOR_MIGRATIONS}).scalar_one():
                connection.commit()
                sleep(_PAUSE_S)
            connection.execute(_WAIT_SHORTLY, {"timeout": _LOCK_TIMEOUT})
            connection.commit()
            config.attributes["connection"] = connection
            yield connection, config
    finally:
        engine.dispose()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _require_known(revision: str | None, config: Config) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise SchemaTooNew(f"The tables stand at revision {revision}; this version knows of {max(known)} at most.")


def main() -> int:
    """Migrate the database that the settings name, and say so in one JSON document on stdout."""
    settings = Settings()
    configure_logging(settings.log_level, json=settings.log_json)
    try:
        done = upgrade(settings.database.url.get_secret_value())
    except EarmarkError as error:
        sys.stdout.write(json.dumps({"code": error.code, "message": error.detail}) + "\n")
        return 1
    sys.stdout.write(json.dumps({"before": done.before, "now": done.now}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
