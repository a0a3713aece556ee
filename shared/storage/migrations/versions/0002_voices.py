"""Words of people apart from what follows from them; clusters that keep their ids; suggestions and calibrations."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DDL = """
ALTER TABLE collection ADD COLUMN speakers TEXT;

ALTER TABLE segment ADD COLUMN words JSONB;

ALTER TABLE speaker ADD COLUMN canonical_id UUID;
UPDATE speaker SET canonical_id = speaker_id;
ALTER TABLE speaker ALTER COLUMN canonical_id SET NOT NULL;
CREATE INDEX ix_speaker_canonical ON speaker (canonical_id);

ALTER TABLE label ALTER COLUMN collection DROP NOT NULL;
-- One entry for each collection that knew the speaker: a rename is one entry for all of them from now on.
DELETE FROM label l USING label first
WHERE l.operation = 'rename' AND first.operation = 'rename' AND first.speaker_id = l.speaker_id
  AND first.detail = l.detail AND first.actor = l.actor AND first.label_id < l.label_id
  AND l.created_at - first.created_at < interval '1 minute';
UPDATE label SET collection = NULL WHERE operation = 'rename';

-- In the order of time: an identity alone would number the rows as they lie on the disk.
ALTER TABLE label ADD COLUMN seq BIGINT;
UPDATE label SET seq = n.seq
FROM (SELECT label_id, row_number() OVER (ORDER BY created_at, label_id) AS seq FROM label) AS n
WHERE n.label_id = label.label_id;
ALTER TABLE label ALTER COLUMN seq SET NOT NULL, ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY;
SELECT setval(pg_get_serial_sequence('label', 'seq'), (SELECT coalesce(max(seq), 0) + 1 FROM label), false);
ALTER TABLE label ADD COLUMN other_speaker_id UUID;
ALTER TABLE label ADD COLUMN undoes_id UUID;
ALTER TABLE label ADD COLUMN active BOOLEAN DEFAULT true NOT NULL;
CREATE INDEX ix_label_seq ON label (collection, seq);
CREATE INDEX ix_label_undoes ON label (undoes_id);

CREATE TABLE word (
    label_id UUID NOT NULL,
    segment_id UUID NOT NULL,
    speaker_id UUID NOT NULL,
    kind TEXT NOT NULL,
    CONSTRAINT pk_word PRIMARY KEY (label_id, segment_id),
    CONSTRAINT ck_word_kind CHECK (kind IN ('human', 'import', 'cluster', 'not')),
    CONSTRAINT fk_word_label_id FOREIGN KEY(label_id) REFERENCES label (label_id)
);
CREATE INDEX ix_word_segment ON word (segment_id);
CREATE INDEX ix_word_speaker ON word (speaker_id);

INSERT INTO word (label_id, segment_id, speaker_id, kind)
SELECT label_id, segment_id, speaker_id, 'human' FROM label
WHERE operation = 'assign' AND segment_id IS NOT NULL AND speaker_id IS NOT NULL;

INSERT INTO word (label_id, segment_id, speaker_id, kind)
SELECT l.label_id, e.segment_id, l.speaker_id, 'cluster'
FROM label l JOIN label p ON p.cause_id = l.label_id AND p.operation = 'propagate'
JOIN label_effect e ON e.label_id = p.label_id AND e.assigned_by = 'cluster'
WHERE l.operation = 'assign' AND l.cluster_id IS NOT NULL AND l.speaker_id IS NOT NULL
ON CONFLICT DO NOTHING;

ALTER TABLE label_effect DROP CONSTRAINT pk_label_effect;
ALTER TABLE label_effect ADD COLUMN seq BIGINT;
UPDATE label_effect SET seq = n.seq
FROM (SELECT e.ctid AS place, row_number() OVER (ORDER BY l.seq, e.segment_id) AS seq
      FROM label_effect e JOIN label l USING (label_id)) AS n
WHERE n.place = label_effect.ctid;
ALTER TABLE label_effect ALTER COLUMN seq SET NOT NULL, ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY;
SELECT setval(pg_get_serial_sequence('label_effect', 'seq'), (SELECT coalesce(max(seq), 0) + 1 FROM label_effect), false);
ALTER TABLE label_effect ADD COLUMN because_id UUID;
ALTER TABLE label_effect ADD COLUMN at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL;
ALTER TABLE label_effect ALTER COLUMN assigned_by DROP NOT NULL;
UPDATE label_effect e SET at = l.created_at FROM label l WHERE l.label_id = e.label_id;
UPDATE label_effect SET assigned_by = NULL WHERE speaker_id IS NULL;
ALTER TABLE label_effect ADD CONSTRAINT pk_label_effect PRIMARY KEY (seq);
DROP INDEX ix_label_effect_segment;
CREATE INDEX ix_label_effect_segment ON label_effect (segment_id, seq);
CREATE INDEX ix_label_effect_label ON label_effect (label_id);

ALTER TABLE assignment ADD COLUMN because_id UUID;
ALTER TABLE assignment ADD COLUMN seq BIGINT;
UPDATE assignment a SET seq = l.seq, because_id = CASE a.assigned_by
    WHEN 'human' THEN a.label_id WHEN 'cluster' THEN l.cause_id END
FROM label l WHERE l.label_id = a.label_id;
ALTER TABLE assignment ALTER COLUMN seq SET NOT NULL;

CREATE TABLE suggestion (
    segment_id UUID NOT NULL,
    collection TEXT NOT NULL,
    speaker_id UUID NOT NULL,
    probability REAL NOT NULL,
    CONSTRAINT pk_suggestion PRIMARY KEY (segment_id),
    CONSTRAINT fk_suggestion_segment_id FOREIGN KEY(segment_id) REFERENCES segment (segment_id) ON DELETE CASCADE,
    CONSTRAINT fk_suggestion_speaker_id FOREIGN KEY(speaker_id) REFERENCES speaker (speaker_id) ON DELETE CASCADE
);
CREATE INDEX ix_suggestion_speaker ON suggestion (collection, speaker_id);

CREATE TABLE calibration (
    collection TEXT NOT NULL,
    encoder_id INTEGER NOT NULL,
    n_vectors INTEGER NOT NULL,
    n_arrived INTEGER DEFAULT '0' NOT NULL,
    backend BYTEA NOT NULL,
    parameters JSONB NOT NULL,
    label_id UUID NOT NULL,
    fitted_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_calibration PRIMARY KEY (collection, encoder_id),
    CONSTRAINT fk_calibration_collection FOREIGN KEY(collection) REFERENCES collection (name)
);

-- Their vectors are turned by a back-end from now on: both are made again with the next statement or clustering.
DELETE FROM centroid;
ALTER TABLE centroid ADD COLUMN seconds DOUBLE PRECISION NOT NULL;

ALTER TABLE clustering ADD COLUMN asked JSONB DEFAULT '{}'::jsonb NOT NULL;

ALTER TABLE cluster ADD COLUMN born INTEGER;
UPDATE cluster SET born = generation;
ALTER TABLE cluster ALTER COLUMN born SET NOT NULL;
ALTER TABLE cluster ADD COLUMN trust JSONB DEFAULT '{}'::jsonb NOT NULL;
DROP INDEX ix_cluster_collection;
CREATE INDEX ix_cluster_collection ON cluster (collection, encoder, current);
CREATE INDEX ix_cluster_exemplar ON cluster (exemplar_segment_id) WHERE current;

-- Ids of clusters were made of their members: those that no longer stand have no successor, and no members are kept.
DELETE FROM cluster_member m USING cluster c WHERE c.cluster_id = m.cluster_id AND NOT c.current;
ALTER TABLE cluster_member ADD COLUMN encoder TEXT;
ALTER TABLE cluster_member ADD COLUMN from_generation INTEGER;
ALTER TABLE cluster_member ADD COLUMN until_generation INTEGER;
UPDATE cluster_member m SET encoder = c.encoder, from_generation = c.generation
FROM cluster c WHERE c.cluster_id = m.cluster_id;
ALTER TABLE cluster_member ALTER COLUMN encoder SET NOT NULL;
ALTER TABLE cluster_member ALTER COLUMN from_generation SET NOT NULL;
ALTER TABLE cluster_member DROP CONSTRAINT pk_cluster_member;
ALTER TABLE cluster_member ADD CONSTRAINT pk_cluster_member PRIMARY KEY (encoder, segment_id, from_generation);
CREATE UNIQUE INDEX uq_cluster_member_now ON cluster_member (encoder, segment_id) WHERE until_generation IS NULL;
CREATE INDEX ix_cluster_member_now ON cluster_member (cluster_id) WHERE until_generation IS NULL;
CREATE INDEX ix_cluster_member_cluster ON cluster_member (cluster_id);

CREATE TABLE erasure (
    receipt_id UUID NOT NULL,
    actor TEXT NOT NULL,
    erased JSONB NOT NULL,
    audio_kept JSONB NOT NULL,
    erased_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_erasure PRIMARY KEY (receipt_id)
);

CREATE TABLE clustering_state (
    collection TEXT NOT NULL,
    space TEXT NOT NULL,
    generation INTEGER NOT NULL,
    state BYTEA NOT NULL,
    standing BYTEA NOT NULL,
    CONSTRAINT pk_clustering_state PRIMARY KEY (collection, space),
    CONSTRAINT fk_clustering_state_collection FOREIGN KEY(collection) REFERENCES collection (name)
);
-- Arrays of numbers that differ: trying to compress them is time for nothing.
ALTER TABLE clustering_state ALTER COLUMN state SET STORAGE EXTERNAL, ALTER COLUMN standing SET STORAGE EXTERNAL;

CREATE TABLE review (
    review_id UUID NOT NULL,
    collection TEXT NOT NULL,
    asked JSONB NOT NULL,
    changes JSONB,
    seq BIGINT,
    failed TEXT,
    label_id UUID,
    requested_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_review PRIMARY KEY (review_id),
    CONSTRAINT fk_review_collection FOREIGN KEY(collection) REFERENCES collection (name)
);

CREATE TABLE questionnaire (
    collection TEXT NOT NULL,
    seq BIGINT NOT NULL,
    thought_out_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_questionnaire PRIMARY KEY (collection),
    CONSTRAINT fk_questionnaire_collection FOREIGN KEY(collection) REFERENCES collection (name)
);

CREATE TABLE question (
    collection TEXT NOT NULL,
    rank INTEGER NOT NULL,
    segment_id UUID NOT NULL,
    expected_resolved REAL NOT NULL,
    why TEXT NOT NULL,
    reason TEXT NOT NULL,
    n_segments INTEGER NOT NULL,
    CONSTRAINT pk_question PRIMARY KEY (collection, rank),
    CONSTRAINT fk_question_segment_id FOREIGN KEY(segment_id) REFERENCES segment (segment_id) ON DELETE CASCADE
);
CREATE INDEX ix_question_segment ON question (segment_id);

CREATE TABLE skipped (
    segment_id UUID NOT NULL,
    collection TEXT NOT NULL,
    actor TEXT NOT NULL,
    skipped_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_skipped PRIMARY KEY (segment_id),
    CONSTRAINT fk_skipped_segment_id FOREIGN KEY(segment_id) REFERENCES segment (segment_id) ON DELETE CASCADE
);
CREATE INDEX ix_skipped_collection ON skipped (collection);

CREATE TABLE deferred (
    encoder TEXT NOT NULL,
    segment_id UUID NOT NULL,
    collection TEXT NOT NULL,
    CONSTRAINT pk_deferred PRIMARY KEY (encoder, segment_id),
    CONSTRAINT fk_deferred_segment_id FOREIGN KEY(segment_id) REFERENCES segment (segment_id) ON DELETE CASCADE
);
CREATE INDEX ix_deferred_collection ON deferred (collection, encoder);

CREATE TABLE backfill (
    backfill_id UUID NOT NULL,
    collection TEXT NOT NULL,
    encoder TEXT NOT NULL,
    space TEXT NOT NULL,
    everything BOOLEAN NOT NULL,
    n_wanted INTEGER DEFAULT '0' NOT NULL,
    n_done INTEGER DEFAULT '0' NOT NULL,
    n_without_voice INTEGER DEFAULT '0' NOT NULL,
    n_unreadable INTEGER DEFAULT '0' NOT NULL,
    state TEXT DEFAULT 'enlisting' NOT NULL,
    requested_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_backfill PRIMARY KEY (backfill_id),
    CONSTRAINT fk_backfill_collection FOREIGN KEY(collection) REFERENCES collection (name),
    CONSTRAINT ck_backfill_state CHECK (state IN ('enlisting', 'embedding', 'done'))
);
"""


def upgrade() -> None:
    op.execute(DDL.replace(":", "\\:"))


def downgrade() -> None:
    raise NotImplementedError("Ids of clusters and words of people cannot go back; restore a backup instead.")
