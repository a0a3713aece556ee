"""Encoders that people add, and the frames of segments."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE encoder_definition (
            name text NOT NULL CONSTRAINT pk_encoder_definition PRIMARY KEY,
            family text NOT NULL,
            model text NOT NULL,
            layer text,
            pooling text,
            "window" text,
            frames text,
            state text NOT NULL DEFAULT 'requested'
                CONSTRAINT ck_encoder_definition_state CHECK (state IN ('requested', 'ready', 'failed')),
            pinned text,
            spec jsonb,
            code text,
            reason text,
            requested_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
    """)
    op.execute("""
        CREATE TABLE frame_blob (
            encoder_id integer NOT NULL CONSTRAINT fk_frame_blob_encoder_id_encoder REFERENCES encoder,
            segment_id uuid NOT NULL,
            sha256 text NOT NULL,
            n_frames integer NOT NULL,
            dimension integer NOT NULL,
            dtype text NOT NULL,
            size_bytes bigint NOT NULL,
            CONSTRAINT pk_frame_blob PRIMARY KEY (encoder_id, segment_id)
        )
    """)
    op.execute("""
        CREATE TABLE encoder_family (
            name text NOT NULL CONSTRAINT pk_encoder_family PRIMARY KEY,
            modality text NOT NULL,
            extra text NOT NULL,
            installed boolean NOT NULL,
            models jsonb NOT NULL,
            announced_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
    """)
    op.execute("CREATE INDEX ix_frame_blob_segment ON frame_blob (segment_id)")
    # Sums of 2 KiB and more stay in their rows: fetching them from elsewhere was half of an identification.
    op.execute("ALTER TABLE centroid SET (toast_tuple_target = 8160)")
    op.execute("ALTER TABLE centroid ALTER COLUMN vector_sum SET STORAGE MAIN")
    op.execute("CREATE INDEX ix_frame_blob_sha256 ON frame_blob (encoder_id, sha256)")


def downgrade() -> None:
    op.execute("ALTER TABLE centroid ALTER COLUMN vector_sum SET STORAGE EXTENDED")
    op.execute("ALTER TABLE centroid RESET (toast_tuple_target)")
    op.execute("DROP TABLE encoder_family, frame_blob, encoder_definition")
