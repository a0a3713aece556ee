"""Generations of clusters. A cluster keeps its id from one generation to the next; who is in it may change."""

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, UUID

from shared.storage.tables.columns import metadata, now_column, uuid_column

clustering = Table(
    "clustering",
    metadata,
    uuid_column("request_id", primary_key=True),
    Column("collection", Text, ForeignKey("collection.name"), nullable=False),
    Column("encoder", Text, nullable=False),
    Column("asked", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),  # method and options, if named
    Column("generation", Integer),  # NULL until done
    Column("n_clusters", Integer),
    Column("n_noise", Integer),
    Column("n_segments", Integer),
    Column("parameters", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),  # what it was found with
    uuid_column("label_id"),  # the clustering's entry in the log; NULL: of an encoder that names nobody
    Column("taken_back", sa.Boolean, nullable=False, server_default=sa.false()),  # the generation is as before it
    now_column("requested_at"),
    Column("finished_at", TIMESTAMP(timezone=True)),
)

cluster = Table(
    "cluster",
    metadata,
    uuid_column("cluster_id", primary_key=True),
    Column("collection", Text, ForeignKey("collection.name"), nullable=False),
    Column("encoder", Text, nullable=False),
    Column("born", Integer, nullable=False),  # the generation that found it first
    Column("generation", Integer, nullable=False),  # the last generation that has it
    Column("current", sa.Boolean, nullable=False, server_default=sa.true()),
    Column("n_segments", Integer, nullable=False),
    Column("n_recordings", Integer, nullable=False),
    Column("cohesion", sa.REAL, nullable=False),
    uuid_column("exemplar_segment_id", nullable=False),
    Column("trust", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),  # margin, stability, exemplars
    Index("ix_cluster_collection", "collection", "encoder", "current"),
    Index("ix_cluster_exemplar", "exemplar_segment_id", postgresql_where=sa.text('"current"')),
)

# Who is in which cluster from one generation on and up to another; no end is now.
cluster_member = Table(
    "cluster_member",
    metadata,
    Column("encoder", Text, primary_key=True),
    uuid_column("segment_id", ForeignKey("segment.segment_id", ondelete="CASCADE"), primary_key=True),
    Column("from_generation", Integer, primary_key=True),
    Column("until_generation", Integer),
    uuid_column("cluster_id", ForeignKey("cluster.cluster_id", ondelete="CASCADE"), nullable=False),
    Column("probability", sa.REAL, nullable=False),
    Index(
        "uq_cluster_member_now",
        "encoder",
        "segment_id",
        unique=True,
        postgresql_where=sa.text("until_generation IS NULL"),
    ),
    Index("ix_cluster_member_now", "cluster_id", postgresql_where=sa.text("until_generation IS NULL")),
    Index("ix_cluster_member_segment", "segment_id"),
    Index("ix_cluster_member_cluster", "cluster_id"),
)

# Arrivals that matched no cluster yet and are looked at once more with the next ones.
deferred = Table(
    "deferred",
    metadata,
    Column("encoder", Text, primary_key=True),
    uuid_column("segment_id", ForeignKey("segment.segment_id", ondelete="CASCADE"), primary_key=True),
    Column("collection", Text, nullable=False),
    Index("ix_deferred_collection", "collection", "encoder"),
)

# Who is in which cluster of a clustering that does not stand: the newest of each subset and encoder.
clustering_member = Table(
    "clustering_member",
    metadata,
    uuid_column("request_id", ForeignKey("clustering.request_id"), primary_key=True),
    uuid_column("segment_id", ForeignKey("segment.segment_id", ondelete="CASCADE"), primary_key=True),
    Column("cluster", Integer),  # from 0 on; NULL: in none
    Column("probability", sa.REAL, nullable=False),
    Index("ix_clustering_member_segment", "segment_id"),
)

# What the next clustering of a collection begins from, and what arrivals are compared with until then.
clustering_state = Table(
    "clustering_state",
    metadata,
    Column("collection", Text, ForeignKey("collection.name"), primary_key=True),
    Column("space", Text, primary_key=True),  # of the encoder: vectors of another revision are no neighbours
    Column("generation", Integer, primary_key=True),  # the standing one, and the one before it
    Column("state", sa.LargeBinary, nullable=False),
    Column("standing", sa.LargeBinary, nullable=False),
)

# The clusters of the generation before the standing one, with their members, so that they can come back.
cluster_before = Table(
    "cluster_before",
    metadata,
    Column("collection", Text, ForeignKey("collection.name"), primary_key=True),
    Column("encoder", Text, primary_key=True),
    Column("generation", Integer, primary_key=True),  # that they stood in
    uuid_column("cluster_id", primary_key=True),
    Column("n_recordings", Integer, nullable=False),
    Column("cohesion", sa.REAL, nullable=False),
    uuid_column("exemplar_segment_id", nullable=False),
    Column("trust", JSONB, nullable=False),
    Column("segment_ids", ARRAY(UUID(as_uuid=True)), nullable=False),
    Column("probabilities", ARRAY(sa.REAL), nullable=False),  # of each of them
)

# Who has arrived since the standing generation: they arrive once more when the one before comes back.
arrived = Table(
    "arrived",
    metadata,
    uuid_column("segment_id", ForeignKey("segment.segment_id", ondelete="CASCADE"), primary_key=True),  # goes with it
    Column("encoder", Text, primary_key=True),
    Column("collection", Text, nullable=False),
    Index("ix_arrived_collection", "collection", "encoder"),
)
