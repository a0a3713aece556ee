"""What is counted of the work that waits and of the work that was done."""

import sqlalchemy as sa

from shared.ledger import backpressure, load
from shared.ledger.consumer import Work
from shared.ledger.reconcile import reconcile
from shared.storage.database import Database
from tests.integration.ledger.deliveries import QUICK, announced, count, run

N_DRAINED = "SELECT coalesce(sum(n), 0) FROM drained"


def commit(work: Work) -> None:
    with work.commit():
        pass


def crash(work: Work) -> None:
    raise RuntimeError


def test_what_is_done_counts_towards_the_rate_of_its_stage_and_collection(database: Database) -> None:
    run(database, commit, announced(database, 7))
    with database.begin() as tx:
        loads = load.measure(tx)
    assert {one.name: one.drained_per_minute for one in loads.stages if one.drained_per_minute} == {
        "ingest.register": 7.0
    }
    assert loads.collections == []


def test_what_fails_was_not_done(database: Database) -> None:
    run(database, crash, announced(database, 3))
    assert count(database, N_DRAINED) == 0


def test_rates_are_forgotten_after_some_minutes(database: Database) -> None:
    run(database, commit, announced(database, 3))
    with database.begin() as tx:
        tx.execute(sa.text("UPDATE drained SET at = at - make_interval(secs => :s)"), {"s": load.REMEMBERED_S})
        reconcile(tx, QUICK)
    assert count(database, N_DRAINED) == 0


def test_the_lag_is_the_age_of_the_oldest_that_is_neither_done_nor_dead(database: Database) -> None:
    announced(database, 3)
    with database.begin() as tx:
        tx.execute(
            sa.text("""UPDATE delivery SET state = n.state, created_at = clock_timestamp() - make_interval(hours => n.h)
                       FROM (SELECT event_id, row_number() OVER () AS r FROM delivery) AS d
                       JOIN (VALUES (1, 'dead', 3), (2, 'leased', 2), (3, 'pending', 1)) AS n(r, state, h) USING (r)
                       WHERE delivery.event_id = d.event_id""")
        )
        (one,) = load.measure(tx).collections
    assert (one.pending, one.leased, one.dead) == (1, 1, 1)
    assert 7200 <= (one.lag_s or 0) < 7300


def test_no_more_is_counted_than_twice_what_may_wait(database: Database) -> None:
    announced(database, 30)
    with database.begin() as tx:
        assert backpressure.overload(tx, "c", backpressure.EVERYTHING, 30) is None
        found = backpressure.overload(tx, "c", backpressure.EVERYTHING, 10)
    assert found is not None
    assert found.waiting == 21


def test_the_time_to_come_back_is_that_of_the_surplus_within_bounds() -> None:
    assert backpressure.retry_after_s(100, 10) == 10
    assert backpressure.retry_after_s(1, 1000) == 1
    assert backpressure.retry_after_s(1e6, 1) == 300
