"""Blobs of the derived bucket that no row refers to: condemned, and deleted when nobody can be about to refer to them.

Blobs are content-addressed, so one that was let go may be wanted again at any moment by whoever makes the same bytes.
Who refers to blobs calls `hold` in the same transaction, after it has written the references. A condemned blob is
deleted only when every transaction is over that may have called `hold` before its row was there to be seen; those that
call it later see the row, and look whether the blob stands. From before it is deleted until the store has answered that
it is, the row is marked: nobody can refer to the blob, whether or not it still stands.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import sqlalchemy as sa

from shared.errors import TransientError
from shared.storage.database import Transaction

PREFIXES: Final = ("recordings/", "renditions/", "frames/")
"""Below these keys of the derived bucket nothing lies but what some row refers to."""

REMEMBERED_S: Final = 3600.0
"""That a deleted blob is remembered: longer than any task may take, from finding a blob to referring to it."""


RETRY_S: Final = 60.0
"""Before a marked blob is deleted again: by then a request that was not answered has come to its end."""


class BlobSwept(TransientError):
    """A blob was deleted as nobody's while work that refers to it was under way; it is made again."""

    code = "blob_swept"


_CONDEMNED = sa.text("SELECT key, deleting FROM condemned_blob WHERE key = ANY(:keys) ORDER BY key FOR SHARE")


def hold(tx: Transaction, keys: Iterable[str], stands: Callable[[str], bool]) -> None:
    """Call it after writing rows that refer to these blobs. Raises BlobSwept if one is gone, or being deleted."""
    for row in tx.execute(_CONDEMNED, {"keys": list(keys)}):
        if row.deleting or not stands(row.key):
            raise BlobSwept(row.key)


_UNREFERENCED = sa.text("""
    SELECT k.key FROM unnest(CAST(:keys AS text[])) AS k(key)
    LEFT JOIN LATERAL regexp_match(k.key, '^frames/(.+)/[0-9a-f]{2}/([0-9a-f]{64})[.]npy$') AS f ON true
    WHERE NOT EXISTS (SELECT FROM recording r WHERE r.derived_key = k.key)
      AND NOT EXISTS (SELECT FROM rendition n WHERE n.key = k.key)
      AND NOT EXISTS (SELECT FROM encoder e JOIN frame_blob b USING (encoder_id)
                      WHERE e.space = f[1] AND b.sha256 = f[2])
""")


def unreferenced(tx: Transaction, keys: Sequence[str]) -> set[str]:
    """Those of the keys that no row refers to now."""
    return set(tx.execute(_UNREFERENCED, {"keys": list(keys)}).scalars())


# Rows that stand already are left out first: one that somebody holds would have to be waited for. Of one that is being
# deleted the mark must stay, and the time before which nobody else deletes it.
_CONDEMN = sa.text("""
    INSERT INTO condemned_blob AS c (key, due_at)
    SELECT n.key, t.due_at FROM unnest(CAST(:keys AS text[])) AS n(key)
    CROSS JOIN (SELECT clock_timestamp() + make_interval(secs => :grace_s) AS due_at) AS t
    WHERE NOT EXISTS (SELECT FROM condemned_blob s
                      WHERE s.key = n.key AND s.deleted_at IS NULL AND (s.deleting OR s.due_at <= t.due_at))
    ORDER BY n.key
    ON CONFLICT (key) DO UPDATE SET due_at = excluded.due_at, horizon = NULL, deleted_at = NULL WHERE NOT c.deleting
""")


def condemn(tx: Transaction, keys: Iterable[str], grace_s: float = 0.0) -> int:
    """Have blobs deleted after a while, unless a row refers to them by then; returns how many are new."""
    return tx.execute(_CONDEMN, {"keys": sorted(keys), "grace_s": grace_s}).rowcount


# Committed, and so visible to all: whoever looked before and saw nothing had an id by then, for it had written, and so
# a lower one than this transaction is given now. (The snapshot's xmax would not do: it may be below ids that run.)
_SEEN_BY_ALL = sa.text("""
    UPDATE condemned_blob SET horizon = CAST(CAST(pg_current_xact_id() AS text) AS bigint)
    WHERE key IN (SELECT key FROM condemned_blob WHERE horizon IS NULL AND deleted_at IS NULL FOR UPDATE SKIP LOCKED)
""")


def let_be_seen(tx: Transaction) -> None:
    """From the end of this transaction on it is known who may not have seen what was condemned before.

    Call it first in its transaction, so that its id is given after it has looked.
    """
    tx.execute(_SEEN_BY_ALL)


_DUE = sa.text("""
    SELECT key FROM condemned_blob
    WHERE deleted_at IS NULL AND due_at <= clock_timestamp()
      AND horizon <= CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)
    ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED
""")
_PARDON = sa.text("DELETE FROM condemned_blob WHERE key = ANY(:keys)")
_MARK = sa.text("""
    UPDATE condemned_blob SET deleting = true, due_at = clock_timestamp() + make_interval(secs => :retry_s)
    WHERE key = ANY(:keys)
""")


def mark_due(tx: Transaction, most: int) -> list[str]:
    """Mark blobs that are due and still nobody's: they may be deleted by whoever marked them once this is committed."""
    due = list(tx.execute(_DUE, {"most": most}).scalars())
    doomed = unreferenced(tx, due)
    tx.execute(_PARDON, {"keys": [key for key in due if key not in doomed]})
    tx.execute(_MARK, {"keys": sorted(doomed), "retry_s": RETRY_S})
    return sorted(doomed)


# Whoever comes back from a freeze finds the row unmarked, or due: then it is another's to delete.
_STILL_MINE = sa.text("""
    SELECT key FROM condemned_blob WHERE key = :key AND deleting AND due_at > clock_timestamp() FOR UPDATE SKIP LOCKED
""")
_DELETED = sa.text("UPDATE condemned_blob SET deleting = false, deleted_at = clock_timestamp() WHERE key = :key")


def delete_marked(tx: Transaction, key: str, delete: Callable[[str], None]) -> bool:
    """Delete a blob that `mark_due` named, and take the mark off; whether it was still to be deleted by the caller.

    Whoever is about to refer to it waits for this transaction. After an error the mark stays: what was not answered may
    still be carried out, so it is done again after RETRY_S. Done again, it does no harm.
    """
    if tx.execute(_STILL_MINE, {"key": key}).one_or_none() is None:
        return False
    delete(key)
    tx.execute(_DELETED, {"key": key})
    return True


_SPARE = sa.text("""
    UPDATE condemned_blob SET deleting = false, due_at = clock_timestamp() + make_interval(secs => :remembered_s)
    WHERE key = :key AND deleting
""")


def spare(tx: Transaction, key: str) -> None:
    """The store refuses to delete it: it may be referred to again, and is looked at again after an hour."""
    tx.execute(_SPARE, {"key": key, "remembered_s": REMEMBERED_S})


_FORGET = sa.text("""
    DELETE FROM condemned_blob WHERE deleted_at < clock_timestamp() - make_interval(secs => :remembered_s)
""")


def forget_deleted(tx: Transaction) -> None:
    """Those that were deleted long ago."""
    tx.execute(_FORGET, {"remembered_s": REMEMBERED_S})


# Rows that keep blobs for nobody. Renditions are made again whenever somebody wants them.
_FRAMES_OF_NOBODY = sa.text("""
    DELETE FROM frame_blob f WHERE NOT EXISTS (SELECT FROM segment s WHERE s.segment_id = f.segment_id)
""")
_RENDITIONS_FOR_NOBODY = sa.text("""
    DELETE FROM rendition n USING recording r
    WHERE r.recording_id = n.recording_id
      AND (r.collection, n.sample_rate_hz) NOT IN (
          SELECT c.name, CAST(e.spec->>'sample_rate_hz' AS int)
          FROM collection c JOIN encoder e ON e.name = ANY(c.encoders) WHERE e.spec ? 'sample_rate_hz')
      AND NOT EXISTS (SELECT FROM backfill b WHERE b.collection = r.collection AND b.state <> 'done')
""")


def let_go(tx: Transaction) -> int:
    """Forget frames of segments that are gone, and renditions at rates that no encoder of their collection wants.

    While a backfill of the collection is under way they stay. Returns how many rows went.
    """
    return tx.execute(_FRAMES_OF_NOBODY).rowcount + tx.execute(_RENDITIONS_FOR_NOBODY).rowcount


_N_CONDEMNED = sa.text("SELECT count(*) FROM condemned_blob WHERE deleted_at IS NULL")


def n_condemned(tx: Transaction) -> int:
    """How many are to be deleted."""
    return int(tx.execute(_N_CONDEMNED).scalar_one())
