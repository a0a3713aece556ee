"""Turns between collections, and pauses: deliveries carry their collection, collections a weight."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # In the order of those who work meanwhile: they refer to the collection first, and end with their deliveries.
    op.execute("LOCK TABLE collection, delivery IN ACCESS EXCLUSIVE MODE")
    op.execute("ALTER TABLE delivery ADD collection text DEFAULT '' NOT NULL")
    op.execute("""
        UPDATE delivery d SET collection = coalesce(e.data->>'collection', '') FROM event e
        WHERE e.event_id = d.event_id
    """)
    op.execute("DROP INDEX ix_delivery_pending")
    op.execute("""
        CREATE INDEX ix_delivery_pending ON delivery (subscription, collection, attempt, not_before)
        WHERE state = 'pending'
    """)
    op.execute("DROP INDEX ix_delivery_out")
    op.execute("""
        CREATE INDEX ix_delivery_out ON delivery (subscription, collection, lease_until)
        WHERE state IN ('queued', 'leased')
    """)
    op.execute("""
        ALTER TABLE collection ADD weight integer DEFAULT '1' NOT NULL,
            ADD CONSTRAINT ck_collection_weight CHECK (weight BETWEEN 1 AND 100)
    """)
    op.execute("""
        CREATE TABLE pause (
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            paused_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            paused_by TEXT NOT NULL,
            CONSTRAINT pk_pause PRIMARY KEY (kind, name),
            CONSTRAINT ck_pause_kind CHECK (kind IN ('collection', 'stage'))
        )
    """)
    op.execute("""
        CREATE UNLOGGED TABLE drained (
            subscription TEXT NOT NULL,
            collection TEXT NOT NULL,
            n INTEGER NOT NULL,
            at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL
        )
    """)
    op.execute("CREATE INDEX ix_drained_at ON drained (at)")


def downgrade() -> None:
    op.execute("DROP TABLE drained, pause")
    op.execute("ALTER TABLE collection DROP weight")
    op.execute("DROP INDEX ix_delivery_pending, ix_delivery_out")
    op.execute("ALTER TABLE delivery DROP collection")
    op.execute("""
        CREATE INDEX ix_delivery_pending ON delivery (subscription, attempt, not_before) WHERE state = 'pending'
    """)
    op.execute("CREATE INDEX ix_delivery_out ON delivery (lease_until) WHERE state IN ('queued', 'leased')")
