"""Objects that are read again, or were found gone, keep the id of the recording that they held."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE stored_object ADD last_recording_id uuid")
    # Of those that were found gone before, the log may tell: only the first key of a recording is announced with it.
    op.execute("""
        UPDATE stored_object o SET last_recording_id = n.recording_id
        FROM (SELECT DISTINCT ON (g.object_id) g.object_id, CAST(r.data->>'recording_id' AS uuid) AS recording_id
              FROM stored_object g
              JOIN event s ON s.subject = g.key COLLATE "default" AND s.subject <> ''
               AND s.type = 'io.earmark.object.seen.v1'
              JOIN event r ON r.correlation_id = s.correlation_id
               AND r.type = 'io.earmark.recording.registered.v1' AND r.data->>'object_id' = CAST(g.object_id AS text)
              WHERE g.recording_id IS NULL AND (g.state = 'seen' OR g.code = 'object_gone')
              ORDER BY g.object_id, r.xid DESC, r.seq DESC) AS n
        WHERE o.object_id = n.object_id
    """)
    op.execute("""
        CREATE INDEX ix_stored_object_last_recording ON stored_object (last_recording_id)
        WHERE last_recording_id IS NOT NULL
    """)
    # Here, so that workers of an older version, which run beside newer ones during an upgrade, keep it too.
    op.execute("""
        CREATE FUNCTION object_keeps_last_recording() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.last_recording_id = CASE WHEN NEW.state = 'seen' OR NEW.code = 'object_gone'
                                         THEN coalesce(OLD.recording_id, OLD.last_recording_id) END;
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER object_keeps_last_recording BEFORE UPDATE OF state, code, recording_id ON stored_object
        FOR EACH ROW EXECUTE FUNCTION object_keeps_last_recording()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER object_keeps_last_recording ON stored_object")
    op.execute("DROP FUNCTION object_keeps_last_recording")
    op.execute("ALTER TABLE stored_object DROP last_recording_id")
