"""Samples of collections, and backfills of them."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

DDL = """
CREATE TABLE subset (
    subset_id UUID NOT NULL,
    collection TEXT NOT NULL,
    name TEXT NOT NULL,
    spec JSONB NOT NULL,
    strata JSONB NOT NULL,
    n_recordings INTEGER NOT NULL,
    n_excluded INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_subset PRIMARY KEY (subset_id),
    CONSTRAINT fk_subset_collection FOREIGN KEY(collection) REFERENCES collection (name),
    CONSTRAINT uq_subset_collection_name UNIQUE (collection, name)
);

CREATE TABLE subset_member (
    subset_id UUID NOT NULL,
    place INTEGER NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    recording_id UUID NOT NULL,
    CONSTRAINT pk_subset_member PRIMARY KEY (subset_id, place),
    CONSTRAINT fk_subset_member_subset_id FOREIGN KEY(subset_id) REFERENCES subset (subset_id) ON DELETE CASCADE,
    CONSTRAINT fk_subset_member_recording_id FOREIGN KEY(recording_id)
        REFERENCES recording (recording_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX uq_subset_member_recording ON subset_member (subset_id, recording_id);
CREATE INDEX ix_subset_member_recording ON subset_member (recording_id);

ALTER TABLE backfill ADD COLUMN subset_id UUID;
"""


def upgrade() -> None:
    op.execute(DDL.replace(":", "\\:"))


def downgrade() -> None:
    raise NotImplementedError("A sample cannot be told from the collection again; restore a backup instead.")
