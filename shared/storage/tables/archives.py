"""Archives in the bucket, how far each is unpacked, and what became of their members."""

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from shared.storage.tables.columns import BYTEWISE, metadata, now_column, uuid_column


def _count(name: str) -> "Column[int]":
    return Column(name, sa.BigInteger, nullable=False, server_default="0")


# A row each time that an object with an archive's bytes was seen; the newest of an object counts.
archive = Table(
    "archive",
    metadata,
    uuid_column("archive_id", primary_key=True),
    uuid_column("object_id", nullable=False),
    Column("collection", Text, ForeignKey("collection.name"), nullable=False),
    Column("bucket", Text, nullable=False),
    Column("key", Text(collation=BYTEWISE), nullable=False),
    Column("etag", Text, nullable=False),
    Column("kind", Text, nullable=False),  # tar, tar.gz, tar.bz2, tar.xz, zip
    Column("size_bytes", sa.BigInteger, nullable=False),
    Column("state", Text, nullable=False, server_default="unpacking"),
    Column("position", ARRAY(sa.BigInteger), nullable=False, server_default="{}"),  # where to go on (walking.Position)
    _count("read_bytes"),  # of its size
    _count("n_members"),  # entries, of inner archives and folders too
    _count("n_taken"),
    _count("n_skipped"),  # left out by name
    _count("n_refused"),
    _count("n_bytes"),  # of members that were read
    Column("code", Text),  # of one that was refused, and why
    Column("reason", Text),
    now_column("found_at"),
    Column("finished_at", TIMESTAMP(timezone=True)),
    sa.CheckConstraint("state IN ('unpacking', 'unpacked', 'refused', 'replaced')", name="state"),
    Index("ix_archive_collection", "collection", "key"),
    Index("ix_archive_object", "object_id", "found_at"),
)

# Those that were taken or refused, in the order of the archive.
archive_member = Table(
    "archive_member",
    metadata,
    uuid_column("archive_id", ForeignKey("archive.archive_id", ondelete="CASCADE"), primary_key=True),
    Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    Column("path", Text, nullable=False),  # in the archive
    Column("size_bytes", sa.BigInteger, nullable=False),
    Column("key", Text(collation=BYTEWISE)),  # where it lies, and with which ETag it was left there
    Column("etag", Text),
    Column("code", Text),  # why it was refused
    Column("reason", Text),
    sa.CheckConstraint("(key IS NULL) = (code IS NOT NULL)", name="taken"),
    Index("ix_archive_member_key", "archive_id", "key"),
)
