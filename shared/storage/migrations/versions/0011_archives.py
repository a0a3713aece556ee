"""Archives in the bucket, and how far each is unpacked."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # In the order of those who work meanwhile, and all at once, before anything is waited for that holds others up.
    op.execute("LOCK TABLE collection IN SHARE ROW EXCLUSIVE MODE")
    op.execute("LOCK TABLE stored_object IN ACCESS EXCLUSIVE MODE")
    op.execute("""
        ALTER TABLE stored_object
            DROP CONSTRAINT ck_stored_object_state,
            ADD CONSTRAINT ck_stored_object_state CHECK (state IN ('seen', 'registered', 'archive', 'rejected'))
    """)
    op.execute("""
        CREATE TABLE archive (
            archive_id uuid NOT NULL CONSTRAINT pk_archive PRIMARY KEY,
            object_id uuid NOT NULL,
            collection text NOT NULL CONSTRAINT fk_archive_collection_collection REFERENCES collection,
            bucket text NOT NULL,
            key text COLLATE "C" NOT NULL,
            etag text NOT NULL,
            kind text NOT NULL,
            size_bytes bigint NOT NULL,
            state text NOT NULL DEFAULT 'unpacking',
            position bigint[] NOT NULL DEFAULT '{}',
            read_bytes bigint NOT NULL DEFAULT 0,
            n_members bigint NOT NULL DEFAULT 0,
            n_taken bigint NOT NULL DEFAULT 0,
            n_skipped bigint NOT NULL DEFAULT 0,
            n_refused bigint NOT NULL DEFAULT 0,
            n_bytes bigint NOT NULL DEFAULT 0,
            code text,
            reason text,
            found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            finished_at timestamptz,
            CONSTRAINT ck_archive_state CHECK (state IN ('unpacking', 'unpacked', 'refused', 'replaced'))
        )
    """)
    op.execute("CREATE INDEX ix_archive_collection ON archive (collection, key)")
    op.execute("CREATE INDEX ix_archive_object ON archive (object_id, found_at)")
    op.execute("""
        CREATE TABLE archive_member (
            archive_id uuid NOT NULL
                CONSTRAINT fk_archive_member_archive_id_archive REFERENCES archive ON DELETE CASCADE,
            number bigint NOT NULL,
            path text NOT NULL,
            size_bytes bigint NOT NULL,
            key text COLLATE "C",
            etag text,
            code text,
            reason text,
            CONSTRAINT pk_archive_member PRIMARY KEY (archive_id, number),
            CONSTRAINT ck_archive_member_taken CHECK ((key IS NULL) = (code IS NOT NULL))
        )
    """)
    op.execute("CREATE INDEX ix_archive_member_key ON archive_member (archive_id, key)")


def downgrade() -> None:
    op.execute("DROP TABLE archive_member, archive")
    op.execute("""
        UPDATE stored_object SET state = 'rejected', code = 'not_audio', reason = 'It looks like an archive.'
        WHERE state = 'archive'
    """)
    op.execute("""
        ALTER TABLE stored_object
            DROP CONSTRAINT ck_stored_object_state,
            ADD CONSTRAINT ck_stored_object_state CHECK (state IN ('seen', 'registered', 'rejected'))
    """)
