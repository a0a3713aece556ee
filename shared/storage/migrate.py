"""Bring a database to the schema of this version; safe to run from several machines at once."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from shared.settings import Settings
from shared.storage.database import with_driver
from shared.telemetry import configure_logging

_LOCK_FOR_MIGRATIONS = 0x6561726E


def upgrade(url: str, revision: str = "head") -> None:
    """Run every migration that the database has not seen, up to one."""
    engine = sa.create_engine(with_driver(url), poolclass=sa.NullPool)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK_FOR_MIGRATIONS})
        connection.commit()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def main() -> None:
    """Migrate the database that the settings name."""
    settings = Settings()
    configure_logging(settings.log_level, json=settings.log_json)
    upgrade(settings.database.url.get_secret_value())


if __name__ == "__main__":
    main()
