"""Requests for an encoder's vectors of a whole collection, and how far each is."""

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Integer, Table, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP

from shared.storage.tables.columns import metadata, now_column, uuid_column

backfill = Table(
    "backfill",
    metadata,
    uuid_column("backfill_id", primary_key=True),
    Column("collection", Text, ForeignKey("collection.name"), nullable=False),
    Column("encoder", Text, nullable=False),
    Column("space", Text, nullable=False),  # the encoder's newest one when it was asked for
    uuid_column("subset_id"),  # NULL: of the whole collection; no reference, for a subset may be deleted meanwhile
    Column("everything", sa.Boolean, nullable=False),  # false: what has no vector in that space
    Column("n_wanted", Integer, nullable=False, server_default="0"),  # enlisted so far
    Column("n_done", Integer, nullable=False, server_default="0"),  # of these, whatever came of it
    Column("n_without_voice", Integer, nullable=False, server_default="0"),  # of those done
    Column("n_unreadable", Integer, nullable=False, server_default="0"),  # of those done: their audio is gone
    Column("state", Text, nullable=False, server_default="enlisting"),
    now_column("requested_at"),
    Column("finished_at", TIMESTAMP(timezone=True)),
    sa.CheckConstraint("state IN ('enlisting', 'embedding', 'done')", name="state"),
)
