"""Recordings that were erased, and stay so."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # In the order of those who erase meanwhile.
    op.execute("LOCK TABLE recording IN SHARE ROW EXCLUSIVE MODE")
    op.execute("LOCK TABLE erasure IN ACCESS EXCLUSIVE MODE")
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
    # Workers of an older version, which run beside newer ones during an upgrade, look for no tombstones: their work waits
    # for a newer one, without blame. After the insert, for that may have waited for an erasure.
    op.execute("""
        CREATE FUNCTION recording_stays_erased() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (SELECT FROM tombstone WHERE subject_id = NEW.recording_id) THEN
                RAISE EXCEPTION 'this recording was erased' USING ERRCODE = 'serialization_failure';
            END IF;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER recording_stays_erased AFTER INSERT ON recording
        FOR EACH ROW EXECUTE FUNCTION recording_stays_erased()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER recording_stays_erased ON recording")
    op.execute("DROP FUNCTION recording_stays_erased")
    op.execute("DROP TABLE tombstone")
    op.execute("ALTER TABLE erasure DROP finished_at, DROP left_over, DROP kept, DROP collections")
