"""Recordings' audio at other rates than 16 kHz: where it lies, what it can be made from, and what cannot be made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from shared.storage.database import Transaction
from shared.storage.recordings import AudioSource


@dataclass(frozen=True, slots=True)
class Rendition:
    """One recording's audio at one rate, mono, under a key of the derived bucket."""

    recording_id: UUID
    sample_rate_hz: int
    key: str
    n_samples: int


_WRITE = sa.text("""
    INSERT INTO rendition (recording_id, sample_rate_hz, key, n_samples)
    SELECT n.* FROM unnest(CAST(:ids AS uuid[]), CAST(:rates AS int[]), CAST(:keys AS text[]),
        CAST(:lengths AS bigint[])) AS n(recording_id, sample_rate_hz, key, n_samples)
    JOIN recording USING (recording_id)
    ON CONFLICT (recording_id, sample_rate_hz) DO UPDATE SET key = excluded.key, n_samples = excluded.n_samples,
        code = NULL, reason = NULL
    RETURNING recording_id
""")


def write(tx: Transaction, made: Sequence[Rendition]) -> set[UUID]:
    """Write down where they lie; returns their recordings, without those that were forgotten or erased meanwhile."""
    values = {
        "ids": [one.recording_id for one in made],
        "rates": [one.sample_rate_hz for one in made],
        "keys": [one.key for one in made],
        "lengths": [one.n_samples for one in made],
    }
    return set(tx.execute(_WRITE, values).scalars())


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one recording's audio cannot be made at one rate."""

    recording_id: UUID
    sample_rate_hz: int
    code: str
    reason: str


_FAIL = sa.text("""
    INSERT INTO rendition (recording_id, sample_rate_hz, code, reason)
    SELECT recording_id, :rate_hz, :code, :reason FROM recording WHERE recording_id = :recording_id
    ON CONFLICT (recording_id, sample_rate_hz) DO UPDATE SET code = excluded.code, reason = excluded.reason
        WHERE rendition.key IS NULL
""")


def fail(tx: Transaction, failures: Iterable[Failure]) -> None:
    """Write down what will not be made, until `try_again`.

    What was made meanwhile stays, and recordings that were forgotten are left out.
    """
    for one in failures:
        values = {"recording_id": one.recording_id, "rate_hz": one.sample_rate_hz}
        tx.execute(_FAIL, {**values, "code": one.code, "reason": one.reason})


_FAILED = sa.text("""
    SELECT recording_id FROM rendition WHERE recording_id = ANY(:ids) AND sample_rate_hz = :rate_hz AND key IS NULL
""")


def failed(tx: Transaction, recording_ids: Sequence[UUID], rate_hz: int) -> set[UUID]:
    """Those of the recordings whose audio cannot be made at that rate."""
    return set(tx.execute(_FAILED, {"ids": list(recording_ids), "rate_hz": rate_hz}).scalars())


_LOSE = sa.text("""
    DELETE FROM rendition n USING unnest(CAST(:ids AS uuid[]), CAST(:keys AS text[])) AS lost(recording_id, key)
    WHERE n.recording_id = lost.recording_id AND n.sample_rate_hz = :rate_hz AND n.key = lost.key
""")


def lose(tx: Transaction, lost: Mapping[UUID, str], rate_hz: int) -> None:
    """Forget those, by recording, whose key nothing lies under any more."""
    tx.execute(_LOSE, {"ids": list(lost), "keys": list(lost.values()), "rate_hz": rate_hz})


_TRY_AGAIN = sa.text("""
    DELETE FROM rendition WHERE recording_id = ANY(:ids) AND sample_rate_hz = :rate_hz AND key IS NULL
""")


def try_again(tx: Transaction, recording_ids: Sequence[UUID], rate_hz: int) -> None:
    """Let them be asked for once more."""
    tx.execute(_TRY_AGAIN, {"ids": list(recording_ids), "rate_hz": rate_hz})


_N_FAILED = sa.text("SELECT count(*) FROM rendition WHERE key IS NULL")


def n_failed(tx: Transaction) -> int:
    """How many could not be made."""
    return int(tx.execute(_N_FAILED).scalar_one())


_SOURCES = sa.text("""
    SELECT r.recording_id, n.n_samples, coalesce((r.facts->>'peak')::real, 1) AS peak, r.sha256, n.key,
           n.sample_rate_hz
    FROM rendition n JOIN recording r USING (recording_id)
    WHERE n.recording_id = ANY(:ids) AND n.sample_rate_hz = :rate_hz AND n.key IS NOT NULL
""")


def sources(tx: Transaction, recording_ids: Sequence[UUID], rate_hz: int, bucket: str) -> dict[UUID, AudioSource]:
    """Where to read those recordings from at that rate that have been made at it; `bucket` is the derived one."""
    rows = tx.execute(_SOURCES, {"ids": list(set(recording_ids)), "rate_hz": rate_hz}).mappings()
    return {row["recording_id"]: AudioSource(**row, bucket=bucket) for row in rows}


_ORIGINALS = sa.text("""
    SELECT DISTINCT ON (r.recording_id) r.recording_id, r.n_samples, coalesce((r.facts->>'peak')::real, 1) AS peak,
           r.sha256, o.bucket, o.key
    FROM recording r JOIN stored_object o USING (recording_id)
    WHERE r.recording_id = ANY(:ids) ORDER BY r.recording_id, o.key
""")


def originals(tx: Transaction, recording_ids: Sequence[UUID]) -> dict[UUID, AudioSource]:
    """An object that holds each recording as it came; none for those that lie under no key any more."""
    rows = tx.execute(_ORIGINALS, {"ids": list(set(recording_ids))}).mappings()
    return {row["recording_id"]: AudioSource(**row) for row in rows}
