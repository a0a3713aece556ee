"""What a token may do where, and what was done with it."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE token ADD collections text[]")
    op.execute("""
        CREATE TABLE audit_entry (
            seq bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_audit_entry PRIMARY KEY,
            at timestamptz NOT NULL DEFAULT clock_timestamp(),
            actor text NOT NULL,
            address text,
            method text NOT NULL,
            route text NOT NULL,
            collection text,
            ids jsonb NOT NULL,
            status integer NOT NULL,
            correlation_id uuid NOT NULL
        )
    """)
    op.execute("CREATE INDEX ix_audit_entry_at ON audit_entry (at)")
    op.execute("CREATE INDEX ix_audit_entry_collection ON audit_entry (collection, seq)")
    op.execute("""
        CREATE FUNCTION audit_entry_stays() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$
    """)
    op.execute("""
        CREATE TRIGGER audit_entry_stays BEFORE UPDATE ON audit_entry
        FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_stays()
    """)
    op.execute("""
        CREATE TABLE keyed_call (
            actor text NOT NULL,
            key text NOT NULL,
            fingerprint text NOT NULL,
            status integer,
            answer bytea,
            called_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT pk_keyed_call PRIMARY KEY (actor, key)
        )
    """)
    op.execute("CREATE INDEX ix_keyed_call_called_at ON keyed_call (called_at)")
    # Only the owner of a table makes and drops its partitions; these lend that right to the roles that may call them.
    op.execute("""
        CREATE FUNCTION make_embedding_partition(id integer) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
        $$ DECLARE
            given record;
        BEGIN
            EXECUTE format('CREATE TABLE embedding_%s PARTITION OF embedding FOR VALUES IN (%s)', id, id);
            FOR given IN
                SELECT a.grantee::regrole AS role, string_agg(a.privilege_type, ', ') AS rights
                FROM pg_class c, aclexplode(c.relacl) a
                WHERE c.oid = 'embedding'::regclass AND a.grantee NOT IN (0, c.relowner) GROUP BY 1
            LOOP
                EXECUTE format('GRANT %s ON embedding_%s TO %s', given.rights, id, given.role);
            END LOOP;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION drop_embedding_partition(id integer) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
        $$ BEGIN EXECUTE format('DROP TABLE embedding_%s', id); END $$
    """)


def downgrade() -> None:
    op.execute("DROP FUNCTION make_embedding_partition, drop_embedding_partition")
    op.execute("DROP TABLE keyed_call, audit_entry")
    op.execute("DROP FUNCTION audit_entry_stays")
    op.execute("ALTER TABLE token DROP collections")
