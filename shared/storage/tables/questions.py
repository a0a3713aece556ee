"""What to ask people next, as it was thought out last, and what they did not want to say."""

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text

from shared.storage.tables.columns import metadata, now_column, uuid_column

# Up to which entry of the label log the questions of a collection know what was said.
questionnaire = Table(
    "questionnaire",
    metadata,
    Column("collection", Text, ForeignKey("collection.name"), primary_key=True),
    Column("seq", sa.BigInteger, nullable=False),
    now_column("thought_out_at"),
)

question = Table(
    "question",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("rank", Integer, primary_key=True),
    uuid_column("segment_id", ForeignKey("segment.segment_id", ondelete="CASCADE"), nullable=False),
    Column("expected_resolved", sa.REAL, nullable=False),
    Column("why", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("n_segments", Integer, nullable=False),
    Index("ix_question_segment", "segment_id"),
)

skipped = Table(
    "skipped",
    metadata,
    uuid_column("segment_id", ForeignKey("segment.segment_id", ondelete="CASCADE"), primary_key=True),
    Column("collection", Text, nullable=False),
    Column("actor", Text, nullable=False),
    now_column("skipped_at"),
    Index("ix_skipped_collection", "collection"),
)
