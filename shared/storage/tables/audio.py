"""Collections, and the objects, recordings and segments in them."""

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from shared.storage.tables.columns import BYTEWISE, metadata, now_column, uuid_column

collection = Table(
    "collection",
    metadata,
    Column("name", Text, primary_key=True),
    Column("segmenter", Text, nullable=False),
    Column("encoders", ARRAY(Text), nullable=False),
    Column("speakers", Text),  # a hint for each of its recordings, N or MIN-MAX; NULL: it is found out
    Column("weight", Integer, nullable=False, server_default="1"),  # deliveries in a turn, beside other collections
    now_column("created_at"),
    sa.CheckConstraint("weight BETWEEN 1 AND 100", name="weight"),
)

stored_object = Table(
    "stored_object",
    metadata,
    uuid_column("object_id", primary_key=True),
    Column("collection", Text, ForeignKey("collection.name"), nullable=True),  # a key outside any collection has none
    Column("bucket", Text, nullable=False),
    Column("key", Text(collation=BYTEWISE), nullable=False),
    Column("etag", Text, nullable=False),
    Column("size_bytes", sa.BigInteger, nullable=False),
    Column("modified_at", TIMESTAMP(timezone=True)),  # of the last PUT: the same bytes put again are looked at again
    Column("state", Text, nullable=False, server_default="seen"),
    uuid_column("recording_id"),
    # Held before it was put again, while that is read or after it was found gone: a trigger keeps it for an erasure.
    uuid_column("last_recording_id"),
    Column("code", Text),
    Column("reason", Text),
    now_column("seen_at"),
    sa.CheckConstraint("state IN ('seen', 'registered', 'archive', 'rejected')", name="state"),
    Index("uq_stored_object_key", "bucket", "key", unique=True),
    Index("ix_stored_object_collection", "collection", "key"),
    Index("ix_stored_object_recording", "recording_id"),
    Index(
        "ix_stored_object_last_recording",
        "last_recording_id",
        postgresql_where=sa.text("last_recording_id IS NOT NULL"),
    ),
)

# What a corpus or its owner says of an object, whether the object has been seen or not.
object_attributes = Table(
    "object_attributes",
    metadata,
    Column("collection", Text, ForeignKey("collection.name"), primary_key=True),
    Column("key", Text(collation=BYTEWISE), primary_key=True),
    Column("data", JSONB, nullable=False),  # `captions`, a list of texts, becomes text segments
    now_column("updated_at"),
    Index("ix_object_attributes_data", "data", postgresql_using="gin", postgresql_ops={"data": "jsonb_path_ops"}),
)

recording = Table(
    "recording",
    metadata,
    uuid_column("recording_id", primary_key=True),
    Column("collection", Text, ForeignKey("collection.name"), nullable=False),
    Column("sha256", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="registered"),
    Column("n_samples", sa.BigInteger, nullable=False),  # at 16 kHz
    Column("derived_key", Text),  # NULL: a worker from before 0017 was at it; it is made when it is missed
    Column("segmenter", Text),  # name@revision of the standing segments
    Column("n_segments", Integer),
    Column("facts", JSONB, nullable=False),  # what the original was: container, codec, channels, rate, peak, notes
    now_column("created_at"),
    sa.CheckConstraint("state IN ('registered', 'segmented', 'ready')", name="state"),
    Index("ix_recording_collection", "collection", "created_at", "recording_id"),
    Index("ix_recording_derived_key", "derived_key"),  # for the sweep of blobs
)

# Recordings' audio at other rates than 16 kHz, for encoders that want it so; or why it cannot be made.
rendition = Table(
    "rendition",
    metadata,
    uuid_column("recording_id", ForeignKey("recording.recording_id", ondelete="CASCADE"), primary_key=True),
    Column("sample_rate_hz", Integer, primary_key=True),
    Column("key", Text),  # in the derived bucket; NULL: it cannot be made
    Column("n_samples", sa.BigInteger),  # at that rate
    Column("code", Text),
    Column("reason", Text),
    sa.CheckConstraint("(key IS NULL) = (code IS NOT NULL)", name="made"),
    Index("ix_rendition_key", "key"),
)

# Blobs of the derived bucket that no row refers to, and those that were deleted lately (storage/orphans.py).
condemned_blob = Table(
    "condemned_blob",
    metadata,
    Column("key", Text(collation=BYTEWISE), primary_key=True),
    Column("due_at", TIMESTAMP(timezone=True), nullable=False),  # not before
    Column("horizon", sa.BigInteger),  # transactions below it may not have seen the row
    Column("deleting", sa.Boolean, nullable=False, server_default=sa.false()),  # it may be gone at any moment
    Column("deleted_at", TIMESTAMP(timezone=True)),
    Index("ix_condemned_blob_due", "due_at", postgresql_where=sa.text("deleted_at IS NULL")),
)

segment = Table(
    "segment",
    metadata,
    uuid_column("segment_id", primary_key=True),
    uuid_column("recording_id", ForeignKey("recording.recording_id", ondelete="CASCADE"), nullable=False),
    Column("collection", Text, nullable=False),
    Column("start_sample", sa.BigInteger, nullable=False),
    Column("end_sample", sa.BigInteger, nullable=False),
    Column("source", Text, nullable=False),  # name@revision of the segmenter, or "human"
    Column("text", Text),
    Column("words", JSONB),  # of a transcriber: [start_sample, end_sample, text] each
    Column("speaker_label", Text),  # a diarization label such as SPEAKER_00 or UNKNOWN; never a speaker
    Column("modality", Text, nullable=False, server_default="audio"),  # text: a caption of the whole, no voice
    sa.CheckConstraint("end_sample > start_sample", name="span"),
    sa.CheckConstraint("modality IN ('audio', 'text')", name="modality"),
    Index("ix_segment_recording", "recording_id", "start_sample"),
    Index("ix_segment_collection", "collection"),
)
