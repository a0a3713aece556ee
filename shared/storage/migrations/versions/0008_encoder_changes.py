"""Comparisons of two encoders, and switches of a collection from one to another."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE comparison (
            comparison_id uuid NOT NULL CONSTRAINT pk_comparison PRIMARY KEY,
            collection text NOT NULL CONSTRAINT fk_comparison_collection_collection REFERENCES collection,
            encoders text[] NOT NULL,
            state text NOT NULL DEFAULT 'requested'
                CONSTRAINT ck_comparison_state CHECK (state IN ('requested', 'done', 'failed')),
            result jsonb,
            requested_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
    """)
    op.execute("""
        CREATE TABLE encoder_switch (
            switch_id uuid NOT NULL CONSTRAINT pk_encoder_switch PRIMARY KEY,
            collection text NOT NULL CONSTRAINT fk_encoder_switch_collection_collection REFERENCES collection,
            encoder text NOT NULL,
            backfill_id uuid NOT NULL CONSTRAINT fk_encoder_switch_backfill_id_backfill REFERENCES backfill,
            actor text NOT NULL,
            state text NOT NULL DEFAULT 'requested' CONSTRAINT ck_encoder_switch_state
                CHECK (state IN ('requested', 'done', 'failed', 'superseded')),
            "before" text,
            label_id uuid,
            taken_back boolean NOT NULL DEFAULT false,
            code text,
            reason text,
            requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            finished_at timestamptz
        )
    """)
    op.execute("CREATE INDEX ix_encoder_switch_collection ON encoder_switch (collection)")
    op.execute("CREATE INDEX ix_encoder_switch_backfill ON encoder_switch (backfill_id)")


def downgrade() -> None:
    op.execute("DROP TABLE encoder_switch, comparison")
