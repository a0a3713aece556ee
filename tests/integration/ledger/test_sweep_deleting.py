"""Deletions that are interrupted, land late or are refused never take what somebody refers to, and come to an end."""

import threading

import pytest
import sqlalchemy as sa

from shared.ledger.sweep import DELETED_PER_STEP, Sweep
from shared.settings import LedgerSettings
from shared.storage import orphans
from shared.storage.database import DatabaseUnavailable, Transaction
from shared.storage.objects import ObjectRefused, ObjectStoreUnavailable
from shared.storage.orphans import BlobSwept
from tests.integration.ledger.sweeping import Bucket, flac


def refused_to(bucket: Bucket, key: str) -> bool:
    """Whether a writer is told to make its blob again."""
    try:
        with bucket.database.begin() as tx:
            bucket.refer(tx, key)
    except BlobSwept:
        return True
    return False


def test_a_delete_that_goes_on_after_its_lock_was_lost_takes_nothing_that_is_referred_to(bucket: Bucket) -> None:
    [key] = bucket.marked(bucket.put(flac()))

    def delete(tx: Transaction) -> None:
        pid = tx.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()

        def lose_the_lock(key: str) -> None:
            with bucket.database.begin() as other:
                other.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            assert refused_to(bucket, key)
            bucket.store.delete(bucket.name, key)

        orphans.delete_marked(tx, key, lose_the_lock)

    with pytest.raises(DatabaseUnavailable), bucket.database.begin() as tx:
        delete(tx)
    assert refused_to(bucket, bucket.put(key))  # not known to be deleted: it goes once more
    bucket.later()
    bucket.sweep()
    with bucket.database.begin() as tx:
        bucket.refer(tx, bucket.put(key))
    bucket.sweep()
    assert bucket.stands(key)


def test_nobody_refers_to_a_blob_while_a_delete_that_was_not_answered_may_land(bucket: Bucket) -> None:
    [key] = bucket.marked(bucket.put(flac()))

    def unanswered(_: str) -> None:
        raise ObjectStoreUnavailable

    with pytest.raises(ObjectStoreUnavailable), bucket.database.begin() as tx:
        orphans.delete_marked(tx, key, unanswered)
    assert refused_to(bucket, key)
    bucket.sweep()
    assert bucket.stands(key)  # not at once: by then the first one is over
    bucket.condemned(key)  # which changes nothing
    bucket.sweep()
    assert bucket.stands(key)
    bucket.later()
    bucket.sweep()
    assert not bucket.stands(key)


def test_whoever_comes_back_after_others_have_deleted_it_deletes_nothing(bucket: Bucket) -> None:
    [key] = bucket.marked(bucket.put(flac()))
    bucket.later()
    bucket.sweep()
    with bucket.database.begin() as tx:
        bucket.refer(tx, bucket.put(key))
    with bucket.database.begin() as tx:
        assert not orphans.delete_marked(tx, key, lambda key: bucket.store.delete(bucket.name, key))
    assert bucket.stands(key)


def sweep(bucket: Bucket, grace_s: float = 0.0) -> Sweep:
    return Sweep(bucket.database, bucket.store, bucket.name, LedgerSettings(blob_grace_s=grace_s))


@pytest.mark.parametrize("error", [ObjectRefused, ObjectStoreUnavailable])
def test_a_blob_that_cannot_be_deleted_keeps_no_other(
    bucket: Bucket, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = sorted(bucket.put(flac()) for _ in range(3))
    delete = bucket.store.delete

    def all_but_the_first(name: str, key: str) -> None:
        if key == keys[0]:
            raise error
        delete(name, key)

    monkeypatch.setattr(bucket.store, "delete", all_but_the_first)
    bucket.sweep()
    assert [bucket.stands(key) for key in keys] == [True, False, False]
    assert refused_to(bucket, keys[0]) is (error is ObjectStoreUnavailable)  # else it is known that it stays


def test_what_is_due_is_deleted_without_a_pause(bucket: Bucket) -> None:
    keys = [flac() for _ in range(DELETED_PER_STEP + 1)]
    bucket.condemned(*keys)
    one = sweep(bucket)
    assert [one.step() for _ in range(2)] == [True, False]


def test_the_sweep_outlives_what_it_does_not_expect(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    stop, survived = threading.Event(), threading.Event()
    steps = iter([ZeroDivisionError, BlobSwept])
    one = sweep(bucket)

    def step() -> bool:
        if error := next(steps, None):
            raise error
        survived.set()
        return False

    monkeypatch.setattr(one, "step", step)
    thread = threading.Thread(target=one.go_on, args=(stop, 0.0))
    thread.start()
    outlived = survived.wait(10)
    stop.set()
    thread.join()
    assert outlived
