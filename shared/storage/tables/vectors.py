"""Encoders, segmenters, vectors, and how far each recording is."""

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from shared.storage.tables.columns import Vector, metadata, now_column, uuid_column

encoder = Table(
    "encoder",
    metadata,
    Column("encoder_id", Integer, sa.Identity(), primary_key=True),
    Column("name", Text, nullable=False),
    Column("space", Text, nullable=False, unique=True),  # name@revision:layer:pooling, what a vector belongs to
    Column("dimension", Integer, nullable=False),
    Column("spec", JSONB, nullable=False),
    now_column("announced_at"),
    # Why its model could not be had when a worker last looked or tried; NULL: it could.
    Column("code", Text),
    Column("reason", Text),
)

segmenter = Table(
    "segmenter",
    metadata,
    Column("name", Text, primary_key=True),
    Column("spec", JSONB, nullable=False),
    now_column("announced_at"),
)

# LIST-partitioned by encoder_id; a partition is made when its encoder is first announced (storage/encoders.py).
embedding = Table(
    "embedding",
    metadata,
    Column("encoder_id", Integer, primary_key=True),
    uuid_column("segment_id", primary_key=True),
    uuid_column("recording_id", nullable=False),
    Column("collection", Text, nullable=False),
    Column("vector", Vector(), nullable=False),
    postgresql_partition_by="LIST (encoder_id)",
)

recording_progress = Table(
    "recording_progress",
    metadata,
    uuid_column("recording_id", ForeignKey("recording.recording_id", ondelete="CASCADE"), primary_key=True),
    Column("encoder", Text, primary_key=True),  # the name the collection asks for
    Column("n_segments", Integer, nullable=False),
    Column("n_embedded", Integer, nullable=False, server_default="0"),
    Column("n_without_voice", Integer, nullable=False, server_default="0"),
)

unembeddable = Table(
    "unembeddable",
    metadata,
    uuid_column("segment_id", ForeignKey("segment.segment_id", ondelete="CASCADE"), primary_key=True),
    Column("encoder", Text, primary_key=True),
    Column("code", Text, nullable=False),
)

# Encoders that people added; `spec` and `pinned` are there once a worker has read the checkpoint.
encoder_definition = Table(
    "encoder_definition",
    metadata,
    Column("name", Text, primary_key=True),
    Column("family", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("layer", Text),
    Column("pooling", Text),
    Column("window", Text),
    Column("frames", Text),
    Column("state", Text, nullable=False, server_default="requested"),
    Column("pinned", Text),
    Column("spec", JSONB),
    Column("code", Text),
    Column("reason", Text),
    now_column("requested_at"),
    sa.CheckConstraint("state IN ('requested', 'ready', 'failed')", name="state"),
)

# Families of models that workers know, and whether their machine has the library.
encoder_family = Table(
    "encoder_family",
    metadata,
    Column("name", Text, primary_key=True),
    Column("modality", Text, nullable=False),
    Column("extra", Text, nullable=False),
    Column("installed", sa.Boolean, nullable=False),
    Column("models", JSONB, nullable=False),  # short names, and where the hub has each
    now_column("announced_at"),
)

# Frames in the derived bucket. No foreign key to segments: their keys are needed when those are gone.
frame_blob = Table(
    "frame_blob",
    metadata,
    Column("encoder_id", Integer, ForeignKey("encoder.encoder_id"), primary_key=True),
    uuid_column("segment_id", primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("n_frames", Integer, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("dtype", Text, nullable=False),
    Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Index("ix_frame_blob_segment", "segment_id"),
    sa.Index("ix_frame_blob_sha256", "encoder_id", "sha256"),
)

# What `earmark encoders check` asked for and found.
encoder_check = Table(
    "encoder_check",
    metadata,
    uuid_column("check_id", primary_key=True),
    Column("encoder", Text, nullable=False),
    Column("result", JSONB),
    now_column("requested_at"),
)
