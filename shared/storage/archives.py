"""Archives that are being unpacked: how far each is, what became of its members, and whose a key is."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import sqlalchemy as sa

from shared.errors import PermanentError
from shared.storage.database import Transaction


class UnpackingAbandoned(PermanentError):
    """Whoever unpacked it died of it, again and again: `earmark dead list` tells its last error.

    Members that came before are kept.
    """

    code = "unpacking_abandoned"


@dataclass(frozen=True, slots=True)
class NewArchive:
    """An object that is one, as it lies in the bucket now."""

    archive_id: UUID
    object_id: UUID
    collection: str
    bucket: str
    key: str
    etag: str
    kind: str
    size_bytes: int


_FIND = sa.text("""
    WITH older AS (
        UPDATE archive SET state = 'replaced', finished_at = clock_timestamp()
        WHERE object_id = :object_id AND archive_id <> :archive_id
          AND (state = 'unpacking' OR code = 'unpacking_abandoned')
    )
    INSERT INTO archive (archive_id, object_id, collection, bucket, key, etag, kind, size_bytes)
    VALUES (:archive_id, :object_id, :collection, :bucket, :key, :etag, :kind, :size_bytes)
    ON CONFLICT (archive_id) DO NOTHING
""")


def find(tx: Transaction, archive: NewArchive) -> None:
    """Write it down as one to be unpacked, instead of what was found under its key before."""
    tx.execute(_FIND, {name: getattr(archive, name) for name in NewArchive.__slots__})


@dataclass(frozen=True, slots=True)
class Unpacked:
    """How far an archive is; `position` is where to go on."""

    position: tuple[int, ...] = ()
    read_bytes: int = 0
    n_members: int = 0
    n_taken: int = 0
    n_skipped: int = 0
    n_refused: int = 0
    n_bytes: int = 0

    @property
    def n_reported(self) -> int:
        """Members that have a row: the next one's number."""
        return self.n_taken + self.n_refused


@dataclass(frozen=True, slots=True)
class OpenArchive:
    """One that is not through."""

    archive: NewArchive
    unpacked: Unpacked


# Of one that was given up beforehand, the last attempt may come to an end after all, and so may one that is requeued.
_OPEN = sa.text("""
    SELECT * FROM archive WHERE archive_id = :archive_id AND (state = 'unpacking' OR code = 'unpacking_abandoned')
""")


def opened(tx: Transaction, archive_id: UUID) -> OpenArchive | None:
    """The archive if it is still to be unpacked, or was given up beforehand."""
    row = tx.execute(_OPEN, {"archive_id": archive_id}).mappings().one_or_none()
    if row is None:
        return None
    unpacked = Unpacked(**{name: row[name] for name in Unpacked.__slots__})
    return OpenArchive(
        NewArchive(**{name: row[name] for name in NewArchive.__slots__}),
        replace(unpacked, position=tuple(unpacked.position)),
    )


_ABANDON = sa.text("""
    UPDATE archive SET state = 'refused', code = 'unpacking_abandoned', reason = :reason,
           finished_at = clock_timestamp()
    WHERE archive_id = :archive_id AND state = 'unpacking'
""")
_TAKE_BACK = sa.text("""
    UPDATE archive SET state = 'unpacking', code = NULL, reason = NULL, finished_at = NULL
    WHERE archive_id = :archive_id AND code = 'unpacking_abandoned'
""")


def abandon(tx: Transaction, archive_id: UUID) -> bool:
    """Give it up beforehand: should its last attempt kill the process, nobody is left to; False if it is given up."""
    values = {"archive_id": archive_id, "reason": UnpackingAbandoned().sentence()}
    return bool(tx.execute(_ABANDON, values).rowcount)


def take_back(tx: Transaction, archive_id: UUID) -> bool:
    """It goes on after all; False if it was not given up."""
    return bool(tx.execute(_TAKE_BACK, {"archive_id": archive_id}).rowcount)


@dataclass(frozen=True, slots=True)
class Member:
    """One that lies under its key with this ETag, or was refused with a code."""

    path: str
    size_bytes: int
    key: str | None = None
    etag: str | None = None
    code: str | None = None
    reason: str | None = None


_ADVANCE = sa.text("""
    UPDATE archive SET position = CAST(:position AS bigint[]), read_bytes = :read_bytes, n_members = :n_members,
           n_taken = :n_taken, n_skipped = :n_skipped, n_refused = :n_refused, n_bytes = :n_bytes
    WHERE archive_id = :archive_id AND (state = 'unpacking' OR code = 'unpacking_abandoned')
      AND position = CAST(:before AS bigint[])
""")
_REPORT = sa.text("""
    INSERT INTO archive_member (archive_id, number, path, size_bytes, key, etag, code, reason)
    SELECT :archive_id, :first + n.place - 1, n.path, n.size_bytes, n.key, n.etag, n.code, n.reason
    FROM unnest(CAST(:paths AS text[]), CAST(:sizes AS bigint[]), CAST(:keys AS text[]), CAST(:etags AS text[]),
                CAST(:codes AS text[]), CAST(:reasons AS text[]))
        WITH ORDINALITY AS n(path, size_bytes, key, etag, code, reason, place)
""")


def advance(tx: Transaction, archive_id: UUID, before: Unpacked, now: Unpacked, members: Sequence[Member]) -> bool:
    """Write down how far it is now and what became of the members since; False if somebody else has gone on with it."""
    progress = {name: getattr(now, name) for name in Unpacked.__slots__}
    values = {**progress, "archive_id": archive_id, "position": list(now.position), "before": list(before.position)}
    if not tx.execute(_ADVANCE, values).rowcount:
        return False
    tx.execute(
        _REPORT,
        {
            "archive_id": archive_id,
            "first": before.n_reported,
            "paths": [m.path for m in members],
            "sizes": [m.size_bytes for m in members],
            "keys": [m.key for m in members],
            "etags": [m.etag for m in members],
            "codes": [m.code for m in members],
            "reasons": [m.reason for m in members],
        },
    )
    return True


@dataclass(frozen=True, slots=True)
class Origins:
    """Which archives put an object under a key."""

    by_this: bool = False
    etags_before: frozenset[str] = frozenset()  # that what lay under the archive's own key before left there


# In one order everywhere; the locks end with the transaction.
_LOCK_KEYS = sa.text("""
    SELECT pg_advisory_xact_lock(lock) FROM (
        SELECT DISTINCT hashtextextended('member:' || :bucket || '/' || key, 0) AS lock
        FROM unnest(CAST(:keys AS text[])) AS key ORDER BY lock
    ) AS locks
""")
_FROZEN = sa.text("SELECT set_config('idle_in_transaction_session_timeout', :timeout, true)")
_ORIGINS = sa.text("""
    SELECT m.key, m.etag, m.archive_id = :archive_id AS by_this FROM archive a JOIN archive_member m USING (archive_id)
    WHERE a.object_id = :object_id AND m.key = ANY(:keys)
""")


def hold_keys(tx: Transaction, bucket: str, keys: Sequence[str], most_s: float) -> None:
    """Let no other archive put anything under these keys until this transaction ends, for so long at most.

    Who looks what lies under a key and then puts would overwrite what came in between; stores that know a condition
    on a PUT are few. A process that froze is cut off, and its transaction with it.
    """
    tx.execute(_FROZEN, {"timeout": f"{round(most_s * 1000)}ms"})
    tx.execute(_LOCK_KEYS, {"bucket": bucket, "keys": list(keys)})


def origins(tx: Transaction, archive: NewArchive, keys: Sequence[str]) -> Mapping[str, Origins]:
    """Of each key, what this archive and earlier versions of it put there."""
    values = {"archive_id": archive.archive_id, "object_id": archive.object_id, "keys": list(keys)}
    mine: set[str] = set()
    before: defaultdict[str, set[str]] = defaultdict(set)
    for row in tx.execute(_ORIGINS, values):
        if row.by_this:
            mine.add(row.key)
        else:
            before[row.key].add(row.etag)
    return {key: Origins(key in mine, frozenset(before[key])) for key in keys}


_FINISH = sa.text("""
    UPDATE archive SET state = :state, code = :code, reason = :reason, finished_at = clock_timestamp(),
           read_bytes = CASE WHEN :state = 'unpacked' THEN size_bytes ELSE read_bytes END
    WHERE archive_id = :archive_id AND state = 'unpacking'
    RETURNING n_members, n_taken, n_skipped, n_refused
""")


@dataclass(frozen=True, slots=True)
class Counts:
    """Of all that an archive held."""

    n_members: int
    n_taken: int
    n_skipped: int
    n_refused: int


def finish(
    tx: Transaction, archive_id: UUID, state: str, code: str | None = None, reason: str | None = None
) -> Counts | None:
    """Be done with it: `unpacked`, `refused` with a code and a reason, or `replaced`; None if it was done already."""
    values = {"archive_id": archive_id, "state": state, "code": code, "reason": reason}
    row = tx.execute(_FINISH, values).mappings().one_or_none()
    return None if row is None else Counts(**row)
