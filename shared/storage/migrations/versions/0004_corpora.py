"""What corpora say of their files, and segments that are texts."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

DDL = """
ALTER TABLE segment ADD COLUMN modality TEXT DEFAULT 'audio' NOT NULL;
ALTER TABLE segment ADD CONSTRAINT ck_segment_modality CHECK (modality IN ('audio', 'text'));

CREATE TABLE object_attributes (
    collection TEXT NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    data JSONB NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_object_attributes PRIMARY KEY (collection, key),
    CONSTRAINT fk_object_attributes_collection FOREIGN KEY(collection) REFERENCES collection (name)
);
CREATE INDEX ix_object_attributes_data ON object_attributes USING gin (data jsonb_path_ops);
"""


def upgrade() -> None:
    op.execute(DDL.replace(":", "\\:"))


def downgrade() -> None:
    raise NotImplementedError("Attributes and captions cannot go back; restore a backup instead.")
