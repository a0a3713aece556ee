"""Recordings' audio at other rates than 16 kHz."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE rendition (
            recording_id uuid NOT NULL
                CONSTRAINT fk_rendition_recording_id_recording REFERENCES recording ON DELETE CASCADE,
            sample_rate_hz integer NOT NULL,
            key text NOT NULL,
            n_samples bigint NOT NULL,
            CONSTRAINT pk_rendition PRIMARY KEY (recording_id, sample_rate_hz)
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE rendition")
