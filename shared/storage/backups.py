"""What a backup asks of the database that it is taken of, and what a restored one must be told before work goes on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa

from shared.storage import tombstones
from shared.storage.database import Database, Transaction
from shared.storage.objects import StoredObject
from shared.storage.tombstones import Tombstone

_FREEZE = sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of a database, for as long as its transaction is open."""

    tx: Transaction
    name: str  # by which other sessions see the same moment: pg_dump --snapshot


@contextmanager
def snapshot(database: Database) -> Iterator[Snapshot]:
    """Hold on to this moment. The transaction writes nothing, so that no reader of the event stream waits for it."""
    with database.begin() as tx:
        tx.execute(_FREEZE)
        yield Snapshot(tx, tx.execute(sa.text("SELECT pg_export_snapshot()")).scalar_one())


# Partitions are counted with their table; what is not written ahead is not dumped.
_TABLES = sa.text("""
    SELECT quote_ident(relname) FROM pg_class
    WHERE relnamespace = CAST('public' AS regnamespace) AND relkind IN ('r', 'p') AND relpersistence = 'p'
      AND NOT relispartition ORDER BY relname
""")


def counts(tx: Transaction) -> dict[str, int]:
    """How many rows each table has."""
    tables = tx.execute(_TABLES).scalars().all()
    return {name: int(tx.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar_one()) for name in tables}  # noqa: S608


_AUDIO = sa.text("SELECT key FROM stored_object WHERE bucket = :bucket AND state <> 'rejected'")
_DERIVED = sa.text("""
    SELECT derived_key FROM recording WHERE derived_key IS NOT NULL
    UNION ALL SELECT key FROM rendition WHERE key IS NOT NULL
    UNION ALL SELECT 'frames/' || e.space || '/' || left(b.sha256, 2) || '/' || b.sha256 || '.npy'
    FROM frame_blob b JOIN encoder e USING (encoder_id)
""")


def referenced(tx: Transaction, audio_bucket: str, derived_bucket: str) -> set[tuple[str, str]]:
    """(bucket, key) of every object that a row relies on."""
    audio = tx.execute(_AUDIO, {"bucket": audio_bucket}).scalars()
    derived = tx.execute(_DERIVED).scalars()
    return {(audio_bucket, key) for key in audio} | {(derived_bucket, key) for key in derived}


def audio_buckets(tx: Transaction) -> set[str]:
    """In which buckets the originals lie that recordings were made of; none in a database without tables."""
    if tx.execute(sa.text("SELECT to_regclass('stored_object')")).scalar_one() is None:
        return set()
    return set(tx.execute(sa.text("SELECT DISTINCT bucket FROM stored_object WHERE state <> 'rejected'")).scalars())


def erased(tx: Transaction) -> Iterator[Tombstone]:
    """Every tombstone, the oldest first; none in a database of before there were any."""
    if tx.execute(sa.text("SELECT to_regclass('tombstone')")).scalar_one() is None:
        return
    after = datetime.min.replace(tzinfo=UTC), UUID(int=0)
    while page := tombstones.listing(tx, after, 1000):
        yield from page
        after = page[-1].erased_at, page[-1].subject_id


def size_bytes(tx: Transaction) -> int:
    """What the database takes on disk, indexes included."""
    return int(tx.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one())


def server_version(tx: Transaction) -> str:
    """Of Postgres, as `18.6`."""
    return str(tx.execute(sa.text("SHOW server_version")).scalar_one()).split()[0]


_SETTLE = (
    # Ids of transactions belong to the server that the backup was taken of: docs/decisions 0006 and 0019.
    "UPDATE event SET xid = 0",
    "UPDATE condemned_blob SET horizon = NULL",
    "UPDATE erasure SET left_over = left_over - 'read_to' WHERE left_over ? 'read_to'",
    # Nobody holds them: Redis is empty, and the workers that had them worked for another database. None is to blame.
    """UPDATE delivery SET state = 'pending', message_id = NULL, lease_until = NULL, not_before = clock_timestamp(),
              attempt = CASE WHEN state = 'leased' THEN greatest(0, attempt - 1) ELSE attempt END
       WHERE state IN ('queued', 'leased')""",
    "DELETE FROM heartbeat",
)


def settle(tx: Transaction) -> None:
    """Let a restored database begin: what was under way when the backup was taken is to be done again."""
    for statement in _SETTLE:
        tx.execute(sa.text(statement))


_KNOWN_AS = sa.text("""
    UPDATE stored_object o SET etag = n.etag, modified_at = n.modified_at
    FROM unnest(CAST(:keys AS text[]), CAST(:etags_before AS text[]), CAST(:etags AS text[]),
                CAST(:modified AS timestamptz[])) AS n(key, etag_before, etag, modified_at)
    WHERE o.bucket = :bucket AND o.key = n.key AND o.etag = n.etag_before
      -- What is under way carries the old ETag with it: the sweep begins it anew.
      AND (n.etag = n.etag_before OR o.state IN ('registered', 'rejected'))
""")


def known_as(tx: Transaction, bucket: str, put: Sequence[tuple[str, StoredObject]]) -> None:
    """Objects were put again: each ETag of before, and the object as it stands. The sweep shall not take them for new.

    An object that was overwritten after the database's snapshot is new to it, and stays so.
    """
    values = {
        "bucket": bucket,
        "keys": [one.key for _, one in put],
        "etags_before": [before for before, _ in put],
        "etags": [one.etag for _, one in put],
        "modified": [one.modified_at for _, one in put],
    }
    tx.execute(_KNOWN_AS, values)
