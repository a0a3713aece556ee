"""Renditions that cannot be made, blobs that nothing refers to any more, and clusters of subsets."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE rendition
            ALTER key DROP NOT NULL,
            ALTER n_samples DROP NOT NULL,
            ADD code text,
            ADD reason text,
            ADD CONSTRAINT ck_rendition_made CHECK ((key IS NULL) = (code IS NOT NULL))
    """)
    op.execute("CREATE INDEX ix_rendition_key ON rendition (key)")
    op.execute("CREATE INDEX ix_recording_derived_key ON recording (derived_key)")
    op.execute("""
        CREATE TABLE condemned_blob (
            key text COLLATE "C" NOT NULL CONSTRAINT pk_condemned_blob PRIMARY KEY,
            due_at timestamptz NOT NULL,
            horizon bigint,
            deleting boolean NOT NULL DEFAULT false,
            deleted_at timestamptz
        )
    """)
    op.execute("CREATE INDEX ix_condemned_blob_due ON condemned_blob (due_at) WHERE deleted_at IS NULL")

    op.execute("""
        CREATE TABLE clustering_member (
            request_id uuid NOT NULL CONSTRAINT fk_clustering_member_request_id_clustering REFERENCES clustering,
            segment_id uuid NOT NULL
                CONSTRAINT fk_clustering_member_segment_id_segment REFERENCES segment ON DELETE CASCADE,
            cluster integer,
            probability real NOT NULL,
            CONSTRAINT pk_clustering_member PRIMARY KEY (request_id, segment_id)
        )
    """)
    op.execute("CREATE INDEX ix_clustering_member_segment ON clustering_member (segment_id)")


def downgrade() -> None:
    op.execute("DROP TABLE clustering_member, condemned_blob")
    op.execute("DROP INDEX ix_recording_derived_key, ix_rendition_key")
    op.execute("DELETE FROM rendition WHERE key IS NULL")
    op.execute("""
        ALTER TABLE rendition
            DROP CONSTRAINT ck_rendition_made,
            DROP code,
            DROP reason,
            ALTER key SET NOT NULL,
            ALTER n_samples SET NOT NULL
    """)
