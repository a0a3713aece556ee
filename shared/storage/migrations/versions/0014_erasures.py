"""Recordings that were erased, and stay so."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE erasure
            ADD collections text[] NOT NULL DEFAULT '{}',
            ADD kept jsonb NOT NULL DEFAULT '{}',
            ADD left_over jsonb,
            ADD finished_at timestamptz
    """)
    op.execute("UPDATE erasure SET finished_at = erased_at")
    op.execute("""
        CREATE TABLE tombstone (
            subject_id uuid NOT NULL CONSTRAINT pk_tombstone PRIMARY KEY,
            kind text NOT NULL,
            collection text,
            receipt_id uuid NOT NULL,
            erased_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT ck_tombstone_kind CHECK (kind IN ('recording', 'speaker'))
        )
    """)
    op.execute("CREATE INDEX ix_tombstone_erased_at ON tombstone (erased_at, subject_id)")


def downgrade() -> None:
    op.execute("DROP TABLE tombstone")
    op.execute("ALTER TABLE erasure DROP finished_at, DROP left_over, DROP kept, DROP collections")
