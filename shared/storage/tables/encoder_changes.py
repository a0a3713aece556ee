"""Comparisons of two encoders on a collection's labels, and switches of a collection from one to another."""

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from shared.storage.tables.columns import metadata, now_column, uuid_column

comparison = Table(
    "comparison",
    metadata,
    uuid_column("comparison_id", primary_key=True),
    Column("collection", Text, ForeignKey("collection.name"), nullable=False),
    Column("encoders", ARRAY(Text), nullable=False),  # the two
    Column("state", Text, nullable=False, server_default="requested"),
    Column("result", JSONB),  # of one that failed: code and reason
    now_column("requested_at"),
    sa.CheckConstraint("state IN ('requested', 'done', 'failed')", name="state"),
)

encoder_switch = Table(
    "encoder_switch",
    metadata,
    uuid_column("switch_id", primary_key=True),
    Column("collection", Text, ForeignKey("collection.name"), nullable=False),
    Column("encoder", Text, nullable=False),  # that shall name
    uuid_column("backfill_id", ForeignKey("backfill.backfill_id"), nullable=False),  # of its vectors
    Column("actor", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="requested"),
    Column("before", Text),  # who named until then; NULL until it is done
    uuid_column("label_id"),  # its entry in the log; NULL until it is done
    Column("taken_back", sa.Boolean, nullable=False, server_default=sa.false()),
    Column("code", Text),
    Column("reason", Text),
    now_column("requested_at"),
    Column("finished_at", TIMESTAMP(timezone=True)),
    sa.CheckConstraint("state IN ('requested', 'done', 'failed', 'superseded')", name="state"),
    Index("ix_encoder_switch_collection", "collection"),
    Index("ix_encoder_switch_backfill", "backfill_id"),
)
