"""Speakers, what people said of them, and what follows: the label log and its current view."""

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from shared.storage.tables.columns import metadata, now_column, uuid_column

speaker = Table(
    "speaker",
    metadata,
    uuid_column("speaker_id", primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    # Whom the speaker is after all active merges, most often themselves: kept by storage/statements.py.
    uuid_column("canonical_id", nullable=False),
    now_column("created_at"),
    Index("ix_speaker_canonical", "canonical_id"),
)

# Append-only: what was said, by whom or by which rule, because of which label.
label = Table(
    "label",
    metadata,
    uuid_column("label_id", primary_key=True),
    Column("seq", sa.BigInteger, sa.Identity(always=True), nullable=False),
    Column("collection", Text, ForeignKey("collection.name")),  # NULL: of a speaker, wherever they are heard
    # assign, reject, import, merge, rename, switch, undo (people); propagate, identify, cluster, spread, ... (rules)
    Column("operation", Text, nullable=False),
    uuid_column("speaker_id"),  # of a person's label; what a rule did is in its effects
    uuid_column("other_speaker_id"),  # who became one with them
    uuid_column("segment_id"),
    uuid_column("cluster_id"),
    Column("actor", Text, nullable=False),  # token name, or rule name@revision
    uuid_column("cause_id"),
    uuid_column("undoes_id"),
    Column("active", sa.Boolean, nullable=False, server_default=sa.true()),  # false: undone
    Column("detail", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
    now_column("created_at"),
    Index("ix_label_collection", "collection", "created_at"),
    Index("ix_label_seq", "collection", "seq"),
    Index("ix_label_cause", "cause_id"),
    Index("ix_label_cluster", "cluster_id"),
    Index("ix_label_undoes", "undoes_id"),
)

# Append-only: what a person's entry says of each segment. A cluster's label says it of those who were in the cluster.
word = Table(
    "word",
    metadata,
    uuid_column("label_id", ForeignKey("label.label_id"), primary_key=True),
    uuid_column("segment_id", primary_key=True),
    uuid_column("speaker_id", nullable=False),
    Column("kind", Text, nullable=False),
    sa.CheckConstraint("kind IN ('human', 'import', 'cluster', 'not')", name="kind"),
    Index("ix_word_segment", "segment_id"),
    Index("ix_word_speaker", "speaker_id"),
)

# Append-only: whom each segment belonged to from then on; NULL is nobody. The last one of a segment is its assignment.
label_effect = Table(
    "label_effect",
    metadata,
    Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    uuid_column("label_id", ForeignKey("label.label_id"), nullable=False),
    uuid_column("segment_id", nullable=False),
    uuid_column("speaker_id"),
    Column("assigned_by", Text),
    Column("confidence", sa.REAL),
    uuid_column("because_id"),
    now_column("at"),
    Index("ix_label_effect_segment", "segment_id", "seq"),
    Index("ix_label_effect_label", "label_id"),
)

# The current view of the log: one row a named segment; no row means nobody knows.
assignment = Table(
    "assignment",
    metadata,
    uuid_column("segment_id", ForeignKey("segment.segment_id", ondelete="CASCADE"), primary_key=True),
    Column("collection", Text, nullable=False),
    uuid_column("speaker_id", ForeignKey("speaker.speaker_id"), nullable=False),
    Column("assigned_by", Text, nullable=False),
    Column("confidence", sa.REAL),
    uuid_column("because_id"),  # the person's label that it follows from; NULL: a comparison with all of them
    uuid_column("label_id", nullable=False),  # the entry of the log that wrote it
    Column("seq", sa.BigInteger, nullable=False),  # that entry's place in the log
    sa.CheckConstraint("assigned_by IN ('human', 'import', 'cluster', 'identification')", name="assigned_by"),
    Index("ix_assignment_speaker", "collection", "speaker_id"),
)

# Who a segment may be: near enough to ask, not near enough to say.
suggestion = Table(
    "suggestion",
    metadata,
    uuid_column("segment_id", ForeignKey("segment.segment_id", ondelete="CASCADE"), primary_key=True),
    Column("collection", Text, nullable=False),
    uuid_column("speaker_id", ForeignKey("speaker.speaker_id", ondelete="CASCADE"), nullable=False),
    Column("probability", sa.REAL, nullable=False),
    Index("ix_suggestion_speaker", "collection", "speaker_id"),
)

# (sum, count) of the labelled vectors as the back-end turns them: AVG(q.v) = q.mean(v).
centroid = Table(
    "centroid",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("encoder_id", Integer, primary_key=True),
    uuid_column("speaker_id", ForeignKey("speaker.speaker_id", ondelete="CASCADE"), primary_key=True),
    Column("vector_sum", sa.LargeBinary, nullable=False),  # little-endian float64: read a thousand times per write
    Column("n", Integer, nullable=False),
    Column("seconds", sa.Double, nullable=False),  # of speech in them
)

# How a score becomes a probability, and what is taken off each vector before: fitted to the collection.
calibration = Table(
    "calibration",
    metadata,
    Column("collection", Text, ForeignKey("collection.name"), primary_key=True),
    Column("encoder_id", Integer, primary_key=True),
    Column("n_vectors", Integer, nullable=False),  # that it was fitted to
    Column("n_arrived", Integer, nullable=False, server_default="0"),  # since then
    Column("backend", sa.LargeBinary, nullable=False),
    Column("parameters", JSONB, nullable=False),
    uuid_column("label_id", nullable=False),
    now_column("fitted_at"),
)

# Both as they were beside the generation of clusters before the standing one.
centroid_before = Table(
    "centroid_before",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("encoder_id", Integer, primary_key=True),
    Column("generation", Integer, primary_key=True),
    uuid_column("speaker_id", ForeignKey("speaker.speaker_id", ondelete="CASCADE"), primary_key=True),
    Column("vector_sum", sa.LargeBinary, nullable=False),
    Column("n", Integer, nullable=False),
    Column("seconds", sa.Double, nullable=False),
)

calibration_before = Table(
    "calibration_before",
    metadata,
    Column("collection", Text, ForeignKey("collection.name"), primary_key=True),
    Column("encoder_id", Integer, primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("n_vectors", Integer, nullable=False),
    Column("n_arrived", Integer, nullable=False),
    Column("backend", sa.LargeBinary, nullable=False),
    Column("parameters", JSONB, nullable=False),
    uuid_column("label_id", nullable=False),
    Column("fitted_at", TIMESTAMP(timezone=True), nullable=False),
)

# A label that somebody wants to look at before it is given: what it would change, thought out and not done.
review = Table(
    "review",
    metadata,
    uuid_column("review_id", primary_key=True),
    Column("collection", Text, ForeignKey("collection.name"), nullable=False),
    Column("asked", JSONB, nullable=False),
    Column("changes", JSONB),  # NULL until they are thought out
    Column("seq", sa.BigInteger),  # the last statement that they know of
    Column("failed", Text),  # why they cannot be thought out
    uuid_column("label_id"),  # NULL until it is applied
    now_column("requested_at"),
)
