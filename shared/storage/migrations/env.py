"""Alembic's entry: migrate the connection that `shared.storage.migrate` hands over."""

from alembic import context

from shared.storage.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
