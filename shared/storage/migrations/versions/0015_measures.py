"""Chains of events can be followed: by their correlation id, by what they are about, and with the time work took."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


_INDEXES = {
    "ix_event_correlation_id": "(correlation_id)",
    "ix_event_subject": "(subject, xid, seq) WHERE subject <> ''",
}


def upgrade() -> None:
    op.execute("""
        ALTER TABLE event ADD IF NOT EXISTS began_at timestamp with time zone, ADD IF NOT EXISTS attempt integer
    """)
    # The log may be long, and whoever works writes to it. Outside of a transaction: what broke off is begun anew.
    timeout = op.get_bind().exec_driver_sql("SHOW lock_timeout").scalar_one()
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")  # it holds nobody up while it waits for those who began before it
        for name, columns in _INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON event {columns}")
        op.execute(f"SET lock_timeout = '{timeout}'")


def downgrade() -> None:
    op.execute("DROP INDEX ix_event_correlation_id, ix_event_subject")
    op.execute("ALTER TABLE event DROP began_at, DROP attempt")
