"""Who may call, who has called, and which calls are done once."""

import sqlalchemy as sa
from sqlalchemy import Column, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from shared.storage.tables.columns import metadata, now_column, uuid_column

token = Table(
    "token",
    metadata,
    uuid_column("token_id", primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("sha256", Text, nullable=False, unique=True),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("collections", ARRAY(Text)),  # that it is good for; NULL: all of them
    now_column("created_at"),
    Column("expires_at", TIMESTAMP(timezone=True)),
)

# Append-only, a trigger sees to it: changing calls of the API, without what was in them.
audit_entry = Table(
    "audit_entry",
    metadata,
    Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    now_column("at"),
    Column("actor", Text, nullable=False),  # the token's name
    Column("address", Text),  # of the client
    Column("method", Text, nullable=False),
    Column("route", Text, nullable=False),  # the template: /v1/labels/{label_id}/undo
    Column("collection", Text),
    Column("ids", JSONB, nullable=False),  # by name of the field
    Column("status", Integer, nullable=False),
    uuid_column("correlation_id", nullable=False),  # of the events that the call made happen
    Index("ix_audit_entry_at", "at"),
    Index("ix_audit_entry_collection", "collection", "seq"),
)

# Calls that carried an Idempotency-Key, and what was answered.
keyed_call = Table(
    "keyed_call",
    metadata,
    Column("actor", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),  # of method, address and body
    Column("status", Integer),
    Column("answer", sa.LargeBinary),  # NULL: not sent yet, lost in a crash, erased, or a secret
    now_column("called_at"),
    Index("ix_keyed_call_called_at", "called_at"),
)
