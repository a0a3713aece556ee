"""Calls with an Idempotency-Key: taken in the transaction of their effects, so that these come about once."""

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.storage.database import Transaction
from shared.storage.tables import erasure, keyed_call


@dataclass(frozen=True, slots=True)
class Key:
    """Whose key it is, and what was asked with it."""

    actor: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class KeyedCall:
    """A call that took effect; without an answer it is not sent yet, was lost in a crash, or is not kept."""

    fingerprint: str
    status: int | None
    answer: bytes | None


_HOLD = sa.text("SELECT pg_try_advisory_xact_lock_shared(hashtextextended('answers', 0))")
_CLAIM = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('answers', 0))")
_TRY = sa.text("SELECT pg_try_advisory_xact_lock(hashtextextended('call:' || :actor || ' ' || :key, 0))")


def find(tx: Transaction, key: Key) -> KeyedCall | None:
    """The call that used this key before."""
    query = sa.select(keyed_call.c.fingerprint, keyed_call.c.status, keyed_call.c.answer).where(*_is(key))
    row = tx.execute(query).one_or_none()
    return None if row is None else KeyedCall(*row)


def take(tx: Transaction, key: Key) -> bool:
    """Take the key; False if another call has it, or is at work with it: waiting for that would hold a connection."""
    if not tx.execute(_TRY, {"actor": key.actor, "key": key.key}).scalar_one():
        return False
    values = {"actor": key.actor, "key": key.key, "fingerprint": key.fingerprint}
    statement = insert(keyed_call).values(values).on_conflict_do_nothing().returning(keyed_call.c.key)
    return tx.execute(statement).one_or_none() is not None


def keep(tx: Transaction, key: Key, status: int, answer: bytes) -> None:
    """Remember what was answered; not if something else was erased since the call, or just is: the answer may name it.

    An erasure's own answer tells its receipt.
    """
    if not tx.execute(_HOLD).scalar_one():
        return
    is_told = sa.func.strpos(answer.decode(errors="replace"), sa.cast(erasure.c.receipt_id, sa.Text)) > 0
    meanwhile = sa.exists().where(erasure.c.erased_at > keyed_call.c.called_at, ~is_told)
    tx.execute(sa.update(keyed_call).where(*_is(key), ~meanwhile).values(status=status, answer=answer))


def forget_answers(tx: Transaction) -> None:
    """Answers may name somebody who is erased now; that the calls were made stays known. None is kept until the end."""
    tx.execute(_CLAIM)
    tx.execute(sa.update(keyed_call).where(keyed_call.c.answer.is_not(None)).values(status=None, answer=None))


def expire(tx: Transaction, keep_s: float) -> int:
    """Let go of older keys; returns how many."""
    oldest = sa.func.clock_timestamp() - timedelta(seconds=keep_s)
    return tx.execute(sa.delete(keyed_call).where(keyed_call.c.called_at < oldest)).rowcount


def _is(key: Key) -> tuple[sa.ColumnElement[bool], ...]:
    return keyed_call.c.actor == key.actor, keyed_call.c.key == key.key
