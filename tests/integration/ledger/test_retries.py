"""Deliveries on a real Postgres: retried, deferred, buried, and brought back."""

from uuid import UUID

import pytest
import sqlalchemy as sa
from celery.exceptions import SoftTimeLimitExceeded

from shared.errors import PermanentError, TransientError
from shared.ledger import claims, dead
from shared.ledger.consumer import Work
from shared.ledger.reconcile import reconcile
from shared.storage import receipts
from shared.storage.database import Database, driver
from shared.storage.receipts import Rest
from tests.integration.ledger.deliveries import NAME, QUICK, announced, count, queue, run, states


def test_a_transient_error_costs_no_attempt(database: Database) -> None:
    event_ids = announced(database, 2)

    def handler(work: Work) -> None:
        raise TransientError("the store is away")

    for _ in range(10):
        run(database, handler, event_ids)

    assert states(database)["pending"] == 2
    assert count(database, "SELECT max(attempt) FROM delivery") == 0
    assert count(database, "SELECT min(deferrals) FROM delivery") == 10


def test_an_unknown_error_is_given_up_after_five_attempts_with_its_reason(database: Database) -> None:
    event_ids = announced(database)

    def handler(work: Work) -> None:
        raise ZeroDivisionError("poison")

    for _ in range(4):
        run(database, handler, event_ids)
        assert states(database)["dead"] == 0
    run(database, handler, event_ids)

    with database.begin() as tx:
        (letter,) = dead.listing(tx)
    assert (letter.error_code, letter.last_error) == ("ZeroDivisionError", "ZeroDivisionError: poison")


def test_an_erasure_that_nobody_finishes_is_begun_again_and_never_dropped(database: Database) -> None:
    def begun() -> list[UUID]:
        with database.begin() as tx:
            reconcile(tx, QUICK)
            return list(tx.execute(sa.text("SELECT event_id FROM delivery")).scalars())

    with database.begin() as tx:
        receipts.write(tx, UUID(int=1), "test", {}, [], {}, [], Rest())
    assert begun() == []  # its own delivery was written a moment ago
    with database.begin() as tx:
        tx.execute(sa.text("UPDATE erasure SET erased_at = erased_at - interval '1 hour'"))
    found = begun()
    assert len(found) == 1
    assert begun() == found
    with database.begin() as tx:
        tx.execute(sa.text("UPDATE delivery SET state = 'dead'"))
    assert begun() == found
    with database.begin() as tx, pytest.raises(dead.UnfinishedErasure):
        dead.drop(tx, found)


def test_a_dead_letter_comes_back_with_all_its_attempts(database: Database) -> None:
    event_ids = announced(database)

    def handler(work: Work) -> None:
        raise PermanentError("never")

    run(database, handler, event_ids)
    assert states(database)["dead"] == 1
    with database.begin() as tx:
        assert dead.requeue(tx, event_ids) == 1

    assert states(database)["pending"] == 1
    assert count(database, "SELECT attempt FROM delivery") == 0


def test_a_permanent_error_in_a_batch_condemns_nobody_yet(database: Database) -> None:
    event_ids = announced(database, 2)

    def handler(work: Work) -> None:
        raise PermanentError("one of these")

    run(database, handler, event_ids)

    assert states(database) == {"pending": 2, "queued": 0, "leased": 0, "dead": 0}


def test_one_of_a_batch_can_be_deferred_while_the_rest_is_done(database: Database) -> None:
    event_ids = announced(database, 3)

    def handler(work: Work) -> None:
        with work.commit() as commit:
            commit.defer(work.delivered[1], TransientError("later"))

    run(database, handler, event_ids)

    with database.begin() as tx:
        left = tx.execute(sa.text("SELECT event_id FROM delivery")).scalars().all()
    assert left == [event_ids[1]]


def test_an_event_of_a_newer_version_waits_and_harms_no_batch_mate(database: Database) -> None:
    event_ids = announced(database, 2)
    with database.begin() as tx:
        tx.execute(
            sa.text("UPDATE event SET type = 'io.earmark.object.seen.v9' WHERE event_id = :id"), {"id": event_ids[0]}
        )

    def handler(work: Work) -> None:
        with work.commit():
            pass

    run(database, handler, event_ids)

    assert states(database) == {"pending": 1, "queued": 0, "leased": 0, "dead": 0}


def test_a_time_limit_inside_a_statement_counts_and_is_named(database: Database) -> None:
    event_ids = announced(database)

    def handler(work: Work) -> None:
        with work.commit() as commit:
            cursor = driver(commit.tx).cursor()
            cursor._conn.pgconn.send_query(b"SELECT pg_sleep(3)")  # what an interrupted statement leaves behind
            raise SoftTimeLimitExceeded

    run(database, handler, event_ids)

    with database.begin() as tx:
        row = tx.execute(sa.text("SELECT attempt, error_code FROM delivery")).one()
    assert tuple(row) == (1, "time_limit")


def test_what_failed_twice_is_not_claimed_among_others(database: Database) -> None:
    event_ids = announced(database, 3)
    queue(database)
    with database.begin() as tx:
        tx.execute(sa.text("UPDATE delivery SET attempt = 2 WHERE event_id = :id"), {"id": event_ids[0]})
    with database.begin() as tx:
        together = claims.claim(tx, NAME, event_ids, 30)
        alone = claims.claim(tx, NAME, event_ids[:1], 30)

    assert {c.event_id for c in together} == set(event_ids[1:])
    assert [c.event_id for c in alone] == event_ids[:1]


def test_values_stay_out_of_the_reasons_that_are_kept(database: Database) -> None:
    event_ids = announced(database)

    def handler(work: Work) -> None:
        with work.commit() as commit:
            commit.tx.execute(sa.text("SELECT CAST(:name AS int)"), {"name": "Anna Karenina"})

    run(database, handler, event_ids)

    assert count(database, "SELECT count(*) FROM delivery WHERE last_error LIKE '%parameters: {%'") == 0
