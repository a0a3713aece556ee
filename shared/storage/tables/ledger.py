"""The ledger: what happened, and who still has to hear of it."""

import sqlalchemy as sa
from sqlalchemy import Column, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from shared.storage.tables.columns import metadata, now_column, uuid_column

event = Table(
    "event",
    metadata,
    uuid_column("event_id", primary_key=True),
    Column("type", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    now_column("occurred_at"),
    uuid_column("causation_id"),
    uuid_column("correlation_id", nullable=False),
    # Of the work that announced it: when its cause was claimed, and for which time. None where nobody was waited for.
    Column("began_at", TIMESTAMP(timezone=True)),
    Column("attempt", Integer),
    # A reader may go past (xid, seq) only when every transaction below xid has ended: see ledger/stream.py.
    Column("xid", sa.BigInteger, nullable=False, server_default=sa.text("(pg_current_xact_id()::text)::bigint")),
    Column("seq", sa.BigInteger, sa.Identity(always=True), nullable=False),
    Index("ix_event_stream", "xid", "seq"),
    Index("ix_event_correlation_id", "correlation_id"),
    # The newest of a subject first; what was erased has none.
    Index("ix_event_subject", "subject", "xid", "seq", postgresql_where=sa.text("subject <> ''")),
)

delivery = Table(
    "delivery",
    metadata,
    uuid_column("event_id", primary_key=True),
    Column("subscription", Text, primary_key=True),
    Column("collection", Text, nullable=False, server_default=""),  # whose turn it is; "" is of none
    Column("state", Text, nullable=False, server_default="pending"),
    Column("attempt", Integer, nullable=False, server_default="0"),  # claims that count towards giving up
    Column("deferrals", Integer, nullable=False, server_default="0"),  # claims handed back without blame
    Column("fence", sa.BigInteger, nullable=False, server_default="0"),  # rises at every claim
    Column("n_segments", Integer, nullable=False, server_default="1"),
    Column("audio_s", sa.REAL, nullable=False, server_default="0"),
    now_column("not_before"),
    Column("lease_until", TIMESTAMP(timezone=True)),
    uuid_column("message_id"),
    Column("error_code", Text),
    Column("last_error", Text),
    now_column("created_at"),
    sa.CheckConstraint("state IN ('pending', 'queued', 'leased', 'dead')", name="state"),
    # The collection before the attempt: the relay takes from each in turn without reading past anybody's backlog.
    Index(
        "ix_delivery_pending",
        "subscription",
        "collection",
        "attempt",
        "not_before",
        postgresql_where=sa.text("state = 'pending'"),
    ),
    Index(
        "ix_delivery_out",
        "subscription",
        "collection",
        "lease_until",
        postgresql_where=sa.text("state IN ('queued', 'leased')"),
    ),
    Index("ix_delivery_queued", "subscription", "message_id", postgresql_where=sa.text("state = 'queued'")),
)

# When each process was last seen doing its work; what readiness and `earmark status` read.
heartbeat = Table(
    "heartbeat",
    metadata,
    Column("service", Text, primary_key=True),
    Column("instance", Text, primary_key=True),
    now_column("seen_at"),
)

# What the relay leaves alone: a collection, or a stage, which is a service or one of its subscriptions.
pause = Table(
    "pause",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    now_column("paused_at"),
    Column("paused_by", Text, nullable=False),
    sa.CheckConstraint("kind IN ('collection', 'stage')", name="kind"),
)

# How many deliveries each commit of the last minutes ended: what drain rates are computed from. Only an estimate hangs
# on it, so that it is not written ahead, and empty after a crash.
drained = Table(
    "drained",
    metadata,
    Column("subscription", Text, nullable=False),
    Column("collection", Text, nullable=False),
    Column("n", Integer, nullable=False),
    now_column("at"),
    Index("ix_drained_at", "at"),
    prefixes=["UNLOGGED"],
)
