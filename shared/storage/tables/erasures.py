"""What was erased: receipts, which name nobody, and tombstones, by which it is known again if it comes back."""

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from shared.storage.tables.columns import metadata, now_column, uuid_column

# That something was erased, and how much; never what it was.
erasure = Table(
    "erasure",
    metadata,
    uuid_column("receipt_id", primary_key=True),
    Column("actor", Text, nullable=False),
    Column("erased", JSONB, nullable=False),
    Column("audio_kept", JSONB, nullable=False),  # keys of audio that is still there; those erased later go from it
    Column("collections", ARRAY(Text), nullable=False, server_default=sa.text("'{}'")),  # that it took something from
    Column("kept", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),  # what was not erased, and why
    # What the log and the bucket still hold of it: storage/receipts.py, Rest. NULL once that is gone, too.
    Column("left_over", JSONB),
    now_column("erased_at"),
    Column("finished_at", TIMESTAMP(timezone=True)),
)

# A recording's id is a hash of its collection and bytes, a speaker's id means nothing: neither holds any of a voice.
tombstone = Table(
    "tombstone",
    metadata,
    uuid_column("subject_id", primary_key=True),
    Column("kind", Text, nullable=False),
    Column("collection", Text),  # of a recording; no reference, for it may outlive the collection
    uuid_column("receipt_id", nullable=False),
    now_column("erased_at"),
    sa.CheckConstraint("kind IN ('recording', 'speaker')", name="kind"),
    Index("ix_tombstone_erased_at", "erased_at", "subject_id"),
)
