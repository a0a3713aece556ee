"""Pages of a collection's archives, and of what became of their members."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from shared.errors import NotFound
from shared.storage.database import Transaction


class UnknownArchive(NotFound):
    """List the collection's archives and use one of their ids."""

    code = "unknown_archive"


@dataclass(frozen=True, slots=True)
class ListedArchive:
    """How far an archive is. `members` counts entries of inner archives and folders too."""

    archive_id: UUID
    object_key: str
    kind: str
    state: str
    size_bytes: int
    read_bytes: int
    members: int
    taken: int
    skipped: int
    refused: int
    code: str | None
    reason: str | None
    found_at: datetime
    finished_at: datetime | None


_ARCHIVES = sa.text("""
    SELECT archive_id, key AS object_key, kind, state, size_bytes, read_bytes, n_members AS members, n_taken AS taken,
           n_skipped AS skipped, n_refused AS refused, code, reason, found_at, finished_at
    FROM archive a
    WHERE collection = :collection AND key > :after AND (:key = '' OR key = :key)
      AND NOT EXISTS (SELECT FROM archive b WHERE b.object_id = a.object_id
                      AND (b.found_at, b.archive_id) > (a.found_at, a.archive_id))
    ORDER BY key LIMIT :most
""")


def archives(tx: Transaction, collection: str, *, after: str = "", key: str = "", most: int) -> list[ListedArchive]:
    """By key, in byte order; of each key what was seen last. `key` narrows it down to one."""
    values = {"collection": collection, "after": after, "key": key, "most": most}
    return [ListedArchive(**row) for row in tx.execute(_ARCHIVES, values).mappings()]


@dataclass(frozen=True, slots=True)
class ListedMember:
    """A member that lies under its key, with this ETag, or was refused with a code."""

    number: int
    path: str
    size_bytes: int
    object_key: str | None
    etag: str | None
    code: str | None
    reason: str | None


_EXISTS = sa.text("SELECT FROM archive WHERE archive_id = :archive_id AND collection = :collection")
_MEMBERS = sa.text("""
    SELECT number, path, size_bytes, key AS object_key, etag, code, reason FROM archive_member
    WHERE archive_id = :archive_id AND number > :after AND (NOT :refused OR code IS NOT NULL)
    ORDER BY number LIMIT :most
""")


def members(
    tx: Transaction, collection: str, archive_id: UUID, *, after: int = -1, refused: bool = False, most: int
) -> list[ListedMember]:
    """In the order of the archive; those that were left out by name are not among them. Raises UnknownArchive."""
    if tx.execute(_EXISTS, {"archive_id": archive_id, "collection": collection}).one_or_none() is None:
        raise UnknownArchive(f"No archive {archive_id} in {collection}.")
    values = {"archive_id": archive_id, "after": after, "refused": refused, "most": most}
    return [ListedMember(**row) for row in tx.execute(_MEMBERS, values).mappings()]
