"""Chains of events can be followed: by their correlation id, by what they are about, and with the time work took."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE event ADD began_at timestamp with time zone, ADD attempt integer")
    op.execute("CREATE INDEX ix_event_correlation_id ON event (correlation_id)")
    op.execute("CREATE INDEX ix_event_subject ON event USING hash (subject)")


def downgrade() -> None:
    op.execute("DROP INDEX ix_event_correlation_id, ix_event_subject")
    op.execute("ALTER TABLE event DROP began_at, DROP attempt")
