"""The generation of clusters before the standing one is kept, so that a clustering can be taken back."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

DDL = """
ALTER TABLE clustering ADD COLUMN label_id UUID;
ALTER TABLE clustering ADD COLUMN taken_back BOOLEAN DEFAULT false NOT NULL;

ALTER TABLE clustering_state DROP CONSTRAINT pk_clustering_state;
ALTER TABLE clustering_state ADD CONSTRAINT pk_clustering_state PRIMARY KEY (collection, space, generation);

CREATE TABLE cluster_before (
    collection TEXT NOT NULL,
    encoder TEXT NOT NULL,
    generation INTEGER NOT NULL,
    cluster_id UUID NOT NULL,
    n_recordings INTEGER NOT NULL,
    cohesion REAL NOT NULL,
    exemplar_segment_id UUID NOT NULL,
    trust JSONB NOT NULL,
    segment_ids UUID[] NOT NULL,
    probabilities REAL[] NOT NULL,
    CONSTRAINT pk_cluster_before PRIMARY KEY (collection, encoder, generation, cluster_id),
    CONSTRAINT fk_cluster_before_collection FOREIGN KEY(collection) REFERENCES collection (name)
);
-- Ids are hashes: trying to compress them is time for nothing.
ALTER TABLE cluster_before ALTER COLUMN segment_ids SET STORAGE EXTERNAL;

CREATE TABLE calibration_before (
    collection TEXT NOT NULL,
    encoder_id INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    n_vectors INTEGER NOT NULL,
    n_arrived INTEGER NOT NULL,
    backend BYTEA NOT NULL,
    parameters JSONB NOT NULL,
    label_id UUID NOT NULL,
    fitted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_calibration_before PRIMARY KEY (collection, encoder_id, generation),
    CONSTRAINT fk_calibration_before_collection FOREIGN KEY(collection) REFERENCES collection (name)
);

CREATE TABLE centroid_before (
    collection TEXT NOT NULL,
    encoder_id INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    speaker_id UUID NOT NULL,
    vector_sum BYTEA NOT NULL,
    n INTEGER NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    CONSTRAINT pk_centroid_before PRIMARY KEY (collection, encoder_id, generation, speaker_id),
    CONSTRAINT fk_centroid_before_speaker_id FOREIGN KEY(speaker_id) REFERENCES speaker (speaker_id) ON DELETE CASCADE
);

CREATE TABLE arrived (
    segment_id UUID NOT NULL,
    encoder TEXT NOT NULL,
    collection TEXT NOT NULL,
    CONSTRAINT pk_arrived PRIMARY KEY (segment_id, encoder),
    CONSTRAINT fk_arrived_segment_id FOREIGN KEY(segment_id) REFERENCES segment (segment_id) ON DELETE CASCADE
);
CREATE INDEX ix_arrived_collection ON arrived (collection, encoder);
"""


def upgrade() -> None:
    op.execute(DDL)


def downgrade() -> None:
    raise NotImplementedError("A clustering that was taken back is known to this version only; restore a backup.")
