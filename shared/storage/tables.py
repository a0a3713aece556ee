"""The tables, once, as SQLAlchemy metadata; migrations/ is how a database gets there."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, Table, Text, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, UUID

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Vector(sa.types.UserDefinedType[bytes]):
    """pgvector's `vector` of any dimension; it is read and written by binary COPY only (storage/rows.py)."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The type's name in DDL."""
        return "vector"


def _uuid(
    name: str, reference: ForeignKey | None = None, *, nullable: bool = True, primary_key: bool = False
) -> Column[uuid.UUID]:
    arguments = () if reference is None else (reference,)
    return Column(name, UUID(as_uuid=True), *arguments, nullable=nullable and not primary_key, primary_key=primary_key)


def _now(name: str) -> Column[datetime]:
    return Column(name, TIMESTAMP(timezone=True), nullable=False, server_default=func.clock_timestamp())


BYTEWISE = "C"  # keys are bytes to S3: they are compared and sorted as such

# --- the ledger -----------------------------------------------------------------------------------------------------

event = Table(
    "event",
    metadata,
    _uuid("event_id", primary_key=True),
    Column("type", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    _now("occurred_at"),
    _uuid("causation_id"),
    _uuid("correlation_id", nullable=False),
    # A reader may go past (xid, seq) only when every transaction below xid has ended: see ledger/stream.py.
    Column("xid", sa.BigInteger, nullable=False, server_default=sa.text("(pg_current_xact_id()::text)::bigint")),
    Column("seq", sa.BigInteger, sa.Identity(always=True), nullable=False),
    Index("ix_event_stream", "xid", "seq"),
)

delivery = Table(
    "delivery",
    metadata,
    _uuid("event_id", primary_key=True),
    Column("subscription", Text, primary_key=True),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("attempt", Integer, nullable=False, server_default="0"),  # claims that count towards giving up
    Column("deferrals", Integer, nullable=False, server_default="0"),  # claims handed back without blame
    Column("fence", sa.BigInteger, nullable=False, server_default="0"),  # rises at every claim
    Column("n_segments", Integer, nullable=False, server_default="1"),
    Column("audio_s", sa.REAL, nullable=False, server_default="0"),
    _now("not_before"),
    Column("lease_until", TIMESTAMP(timezone=True)),
    _uuid("message_id"),
    Column("error_code", Text),
    Column("last_error", Text),
    _now("created_at"),
    sa.CheckConstraint("state IN ('pending', 'queued', 'leased', 'dead')", name="state"),
    Index(
        "ix_delivery_pending", "subscription", "attempt", "not_before", postgresql_where=sa.text("state = 'pending'")
    ),
    Index("ix_delivery_out", "lease_until", postgresql_where=sa.text("state IN ('queued', 'leased')")),
    Index("ix_delivery_queued", "subscription", "message_id", postgresql_where=sa.text("state = 'queued'")),
)

# When each process was last seen doing its work; what readiness and `earmark status` read.
heartbeat = Table(
    "heartbeat",
    metadata,
    Column("service", Text, primary_key=True),
    Column("instance", Text, primary_key=True),
    _now("seen_at"),
)

# --- collections, objects, recordings, segments ---------------------------------------------------------------------

collection = Table(
    "collection",
    metadata,
    Column("name", Text, primary_key=True),
    Column("segmenter", Text, nullable=False),
    Column("encoders", ARRAY(Text), nullable=False),
    _now("created_at"),
)

stored_object = Table(
    "stored_object",
    metadata,
    _uuid("object_id", primary_key=True),
    Column("collection", Text, ForeignKey("collection.name"), nullable=True),  # a key outside any collection has none
    Column("bucket", Text, nullable=False),
    Column("key", Text(collation=BYTEWISE), nullable=False),
    Column("etag", Text, nullable=False),
    Column("size_bytes", sa.BigInteger, nullable=False),
    Column("modified_at", TIMESTAMP(timezone=True)),  # of the last PUT: the same bytes put again are looked at again
    Column("state", Text, nullable=False, server_default="seen"),
    _uuid("recording_id"),
    Column("code", Text),
    Column("reason", Text),
    _now("seen_at"),
    sa.CheckConstraint("state IN ('seen', 'registered', 'rejected')", name="state"),
    Index("uq_stored_object_key", "bucket", "key", unique=True),
    Index("ix_stored_object_collection", "collection", "key"),
    Index("ix_stored_object_recording", "recording_id"),
)

recording = Table(
    "recording",
    metadata,
    _uuid("recording_id", primary_key=True),
    Column("collection", Text, ForeignKey("collection.name"), nullable=False),
    Column("sha256", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="registered"),
    Column("n_samples", sa.BigInteger, nullable=False),  # at 16 kHz
    Column("derived_key", Text),  # NULL: the original serves as it is
    Column("segmenter", Text),  # name@revision of the standing segments
    Column("n_segments", Integer),
    Column("facts", JSONB, nullable=False),  # what the original was: container, codec, channels, rate, peak, notes
    _now("created_at"),
    sa.CheckConstraint("state IN ('registered', 'segmented', 'ready')", name="state"),
    Index("ix_recording_collection", "collection", "created_at", "recording_id"),
)

segment = Table(
    "segment",
    metadata,
    _uuid("segment_id", primary_key=True),
    _uuid("recording_id", ForeignKey("recording.recording_id", ondelete="CASCADE"), nullable=False),
    Column("collection", Text, nullable=False),
    Column("start_sample", sa.BigInteger, nullable=False),
    Column("end_sample", sa.BigInteger, nullable=False),
    Column("source", Text, nullable=False),  # name@revision of the segmenter, or "human"
    Column("text", Text),
    Column("speaker_label", Text),  # a diarization label such as SPEAKER_00 or UNKNOWN; never a speaker
    sa.CheckConstraint("end_sample > start_sample", name="span"),
    Index("ix_segment_recording", "recording_id", "start_sample"),
    Index("ix_segment_collection", "collection"),
)

# --- encoders and vectors -------------------------------------------------------------------------------------------

encoder = Table(
    "encoder",
    metadata,
    Column("encoder_id", Integer, sa.Identity(), primary_key=True),
    Column("name", Text, nullable=False),
    Column("space", Text, nullable=False, unique=True),  # name@revision:layer:pooling, what a vector belongs to
    Column("dimension", Integer, nullable=False),
    Column("spec", JSONB, nullable=False),
    _now("announced_at"),
)

segmenter = Table(
    "segmenter",
    metadata,
    Column("name", Text, primary_key=True),
    Column("spec", JSONB, nullable=False),
    _now("announced_at"),
)

# LIST-partitioned by encoder_id; a partition is made when its encoder is first announced (storage/encoders.py).
embedding = Table(
    "embedding",
    metadata,
    Column("encoder_id", Integer, primary_key=True),
    _uuid("segment_id", primary_key=True),
    _uuid("recording_id", nullable=False),
    Column("collection", Text, nullable=False),
    Column("vector", Vector(), nullable=False),
    postgresql_partition_by="LIST (encoder_id)",
)

recording_progress = Table(
    "recording_progress",
    metadata,
    _uuid("recording_id", ForeignKey("recording.recording_id", ondelete="CASCADE"), primary_key=True),
    Column("encoder", Text, primary_key=True),  # the name the collection asks for
    Column("n_segments", Integer, nullable=False),
    Column("n_embedded", Integer, nullable=False, server_default="0"),
    Column("n_without_voice", Integer, nullable=False, server_default="0"),
)

unembeddable = Table(
    "unembeddable",
    metadata,
    _uuid("segment_id", ForeignKey("segment.segment_id", ondelete="CASCADE"), primary_key=True),
    Column("encoder", Text, primary_key=True),
    Column("code", Text, nullable=False),
)

# --- speakers, labels, clusters -------------------------------------------------------------------------------------

speaker = Table(
    "speaker",
    metadata,
    _uuid("speaker_id", primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    _now("created_at"),
)

# Append-only: what was said, by whom or by which rule, because of which label.
label = Table(
    "label",
    metadata,
    _uuid("label_id", primary_key=True),
    Column("collection", Text, ForeignKey("collection.name"), nullable=False),
    Column("operation", Text, nullable=False),  # assign, rename (a person); propagate, identify, spread (rules)
    _uuid("speaker_id"),  # of a person's label; what a rule did is in its effects
    _uuid("segment_id"),
    _uuid("cluster_id"),
    Column("actor", Text, nullable=False),  # token name, or rule name@revision
    _uuid("cause_id"),
    Column("detail", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
    _now("created_at"),
    Index("ix_label_collection", "collection", "created_at"),
    Index("ix_label_cause", "cause_id"),
    Index("ix_label_cluster", "cluster_id"),
)

# Append-only: which segments an entry of the log gave which speaker.
label_effect = Table(
    "label_effect",
    metadata,
    _uuid("label_id", ForeignKey("label.label_id"), primary_key=True),
    _uuid("segment_id", primary_key=True),
    _uuid("speaker_id"),
    Column("assigned_by", Text, nullable=False),
    Column("confidence", sa.REAL),
    Index("ix_label_effect_segment", "segment_id"),
)

# The current view of the log: one row a named segment; no row means nobody knows.
assignment = Table(
    "assignment",
    metadata,
    _uuid("segment_id", ForeignKey("segment.segment_id", ondelete="CASCADE"), primary_key=True),
    Column("collection", Text, nullable=False),
    _uuid("speaker_id", ForeignKey("speaker.speaker_id"), nullable=False),
    Column("assigned_by", Text, nullable=False),
    Column("confidence", sa.REAL),
    _uuid("label_id", nullable=False),
    sa.CheckConstraint("assigned_by IN ('human', 'import', 'cluster', 'identification')", name="assigned_by"),
    Index("ix_assignment_speaker", "collection", "speaker_id"),
)

# (sum, count) of the labelled unit vectors: for unit vectors AVG(1 - q.v) = 1 - q.mean(v).
centroid = Table(
    "centroid",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("encoder_id", Integer, primary_key=True),
    _uuid("speaker_id", ForeignKey("speaker.speaker_id", ondelete="CASCADE"), primary_key=True),
    Column("vector_sum", sa.LargeBinary, nullable=False),  # little-endian float64: read a thousand times per write
    Column("n", Integer, nullable=False),
)

clustering = Table(
    "clustering",
    metadata,
    _uuid("request_id", primary_key=True),
    Column("collection", Text, ForeignKey("collection.name"), nullable=False),
    Column("encoder", Text, nullable=False),
    Column("generation", Integer),  # NULL until done
    Column("n_clusters", Integer),
    Column("n_noise", Integer),
    Column("n_segments", Integer),
    Column("parameters", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
    _now("requested_at"),
    Column("finished_at", TIMESTAMP(timezone=True)),
)

cluster = Table(
    "cluster",
    metadata,
    _uuid("cluster_id", primary_key=True),
    Column("collection", Text, ForeignKey("collection.name"), nullable=False),
    Column("encoder", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("current", sa.Boolean, nullable=False, server_default=sa.true()),
    Column("n_segments", Integer, nullable=False),
    Column("n_recordings", Integer, nullable=False),
    Column("cohesion", sa.REAL, nullable=False),
    _uuid("exemplar_segment_id", nullable=False),
    Index("ix_cluster_collection", "collection", "current"),
)

cluster_member = Table(
    "cluster_member",
    metadata,
    _uuid("cluster_id", ForeignKey("cluster.cluster_id", ondelete="CASCADE"), primary_key=True),
    _uuid("segment_id", ForeignKey("segment.segment_id", ondelete="CASCADE"), primary_key=True),
    Column("probability", sa.REAL, nullable=False),
    Index("ix_cluster_member_segment", "segment_id"),
)

# What `earmark encoders check` asked for and found.
encoder_check = Table(
    "encoder_check",
    metadata,
    _uuid("check_id", primary_key=True),
    Column("encoder", Text, nullable=False),
    Column("result", JSONB),
    _now("requested_at"),
)

# --- access ---------------------------------------------------------------------------------------------------------

token = Table(
    "token",
    metadata,
    _uuid("token_id", primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("sha256", Text, nullable=False, unique=True),
    Column("scopes", ARRAY(Text), nullable=False),
    _now("created_at"),
    Column("expires_at", TIMESTAMP(timezone=True)),
)
