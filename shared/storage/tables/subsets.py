"""Samples of a collection that were drawn once and stay as they are."""

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from shared.storage.tables.columns import BYTEWISE, metadata, now_column, uuid_column

subset = Table(
    "subset",
    metadata,
    uuid_column("subset_id", primary_key=True),
    Column("collection", Text, ForeignKey("collection.name"), nullable=False),
    Column("name", Text, nullable=False),
    Column("spec", JSONB, nullable=False),  # what was asked for: shared/storage/subsets.py, Wanted
    Column("strata", JSONB, nullable=False),  # what came of it: Stratum
    Column("n_recordings", Integer, nullable=False),  # drawn
    Column("n_excluded", Integer, nullable=False),  # before anything was drawn
    now_column("created_at"),
    sa.UniqueConstraint("collection", "name"),
)

subset_member = Table(
    "subset_member",
    metadata,
    uuid_column("subset_id", ForeignKey("subset.subset_id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),  # by key, in byte order
    Column("key", Text(collation=BYTEWISE), nullable=False),  # by which it was drawn
    uuid_column("recording_id", ForeignKey("recording.recording_id", ondelete="CASCADE"), nullable=False),
    sa.Index("uq_subset_member_recording", "subset_id", "recording_id", unique=True),
    sa.Index("ix_subset_member_recording", "recording_id"),  # for a recording that is erased
)
