"""Events that come too often, in the wrong shape or at the wrong hour: they take effect once, or not at all."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from shared.ledger import claims
from shared.ledger.consumer import FenceLost, Work
from shared.ledger.outbox import announce, publish
from shared.ledger.reconcile import reconcile
from shared.storage.database import Database
from tests.integration.ledger.deliveries import QUICK, announced, count, object_seen, queue, rejected, run, states

TIMES = 1_000
_LATER = """
    UPDATE delivery SET lease_until = lease_until + CAST(:by AS interval),
                        not_before = not_before + CAST(:by AS interval)
"""


def test_a_message_that_comes_a_thousand_times_takes_effect_once(database: Database) -> None:
    event_ids = announced(database, 3)

    def handler(work: Work) -> None:
        with work.commit() as commit:
            for delivered in work.delivered:
                commit.publish(rejected(delivered.event), cause=delivered)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: run(database, handler, event_ids), range(TIMES)))

    assert count(database, "SELECT count(*) FROM event WHERE causation_id IS NOT NULL") == 3
    assert count(database, "SELECT count(*) FROM delivery") == 0


def test_an_event_that_is_announced_a_thousand_times_is_one(database: Database) -> None:
    (event_id,) = announced(database)
    with database.begin() as tx:
        publish(tx, [announce(object_seen("c/0.wav"), event_id=event_id) for _ in range(TIMES)])

    assert count(database, "SELECT count(*) FROM event") == 1
    assert count(database, "SELECT count(*) FROM delivery") == 1


@pytest.mark.parametrize(
    "data",
    ["{}", "[]", "null", '"text"', '{"object_id": "none"}', '{"object_id": {"a": []}, "size_bytes": "many"}'],
)
def test_an_event_of_another_shape_is_buried_and_harms_no_batch_mate(database: Database, data: str) -> None:
    event_ids = announced(database, 2)
    with database.begin() as tx:
        tx.execute(
            sa.text("UPDATE event SET data = CAST(:data AS jsonb) WHERE event_id = :id"),
            {"data": data, "id": event_ids[0]},
        )
    done = []

    def handler(work: Work) -> None:
        with work.commit():
            done.extend(d.claim.event_id for d in work.delivered)

    run(database, handler, event_ids)

    assert done == [event_ids[1]]
    assert states(database) == {"pending": 0, "queued": 0, "leased": 0, "dead": 1}
    assert count(database, "SELECT count(*) FROM delivery WHERE error_code = 'unreadable_event'") == 1


def jump(database: Database, by: str) -> None:
    """Let the database's clock jump: what it had written down moves the other way."""
    with database.begin() as tx:
        tx.execute(sa.text(_LATER), {"by": by})


def test_a_clock_that_jumps_ahead_while_work_is_done_doubles_nothing(database: Database) -> None:
    event_ids = announced(database, 2)
    lost = []

    def handler(work: Work) -> None:
        jump(database, "-1 hour")
        with database.begin() as tx:
            assert reconcile(tx, QUICK) == 2  # the leases seem to have run out
        queue(database)
        try:
            with work.commit() as commit:
                commit.publish(rejected(work.delivered[0].event), cause=work.delivered[0])
        except FenceLost:
            lost.append(True)
            raise

    run(database, handler, event_ids)
    run(database, _done, event_ids)

    assert lost == [True]
    assert count(database, "SELECT count(*) FROM event") == 2
    assert count(database, "SELECT count(*) FROM delivery") == 0


def test_a_clock_that_jumps_back_while_work_is_done_is_not_noticed(database: Database) -> None:
    event_ids = announced(database, 2)

    def handler(work: Work) -> None:
        jump(database, "1 hour")
        with database.begin() as tx:
            assert reconcile(tx, QUICK) == 0
        _done(work)

    run(database, handler, event_ids)

    assert count(database, "SELECT count(*) FROM delivery") == 0


def test_a_lease_is_right_again_at_its_next_renewal_when_the_clock_has_jumped_back(database: Database) -> None:
    event_ids = announced(database, 1)
    queue(database)
    with database.begin() as tx:
        mine = claims.claim(tx, "ingest.register", event_ids, 30)
    jump(database, "1 hour")
    with database.begin() as tx:
        claims.renew(tx, mine, lease_s=-1)

    with database.begin() as tx:
        assert reconcile(tx, QUICK) == 1


def _done(work: Work) -> None:
    with work.commit():
        pass
