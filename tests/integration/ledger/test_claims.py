"""Deliveries on a real Postgres: claimed once, leased, fenced."""

from uuid import uuid4

import pytest
import sqlalchemy as sa

from shared.ledger import claims, consumer
from shared.ledger.consumer import FenceLost, Work
from shared.ledger.outbox import announce, publish
from shared.ledger.reconcile import reconcile
from shared.settings import LedgerSettings, Settings
from shared.storage.database import Database
from tests.integration.ledger.deliveries import NAME, QUICK, announced, count, object_seen, queue, rejected, run, states


def test_an_event_and_its_deliveries_vanish_with_the_transaction_that_wrote_them(database: Database) -> None:
    def fail() -> None:
        with database.begin() as tx:
            publish(tx, [announce(object_seen())])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert count(database, "SELECT count(*) FROM event") == 0
    assert count(database, "SELECT count(*) FROM delivery") == 0


def test_an_event_with_a_content_derived_id_exists_once(database: Database) -> None:
    own_id = uuid4()
    for _ in range(2):
        with database.begin() as tx:
            publish(tx, [announce(object_seen(), event_id=own_id)])

    assert count(database, "SELECT count(*) FROM event") == 1
    assert count(database, "SELECT count(*) FROM delivery") == 1


def test_two_claims_of_the_same_deliveries_share_them_out(database: Database) -> None:
    event_ids = announced(database, 10)
    queue(database)
    with database.begin() as one, database.begin() as other:
        first = claims.claim(one, NAME, event_ids[:6], 30)
        one.commit()
        second = claims.claim(other, NAME, event_ids, 30)

    assert len(first) == 6
    assert {c.event_id for c in second} == set(event_ids[6:])


def test_done_work_writes_its_events_and_deletes_its_deliveries(database: Database) -> None:
    event_ids = announced(database, 3)

    def handler(work: Work) -> None:
        with work.commit() as commit:
            for delivered in work.delivered:
                commit.publish(rejected(delivered.event), cause=delivered)

    run(database, handler, event_ids)

    assert count(database, "SELECT count(*) FROM delivery") == 0
    assert count(database, "SELECT count(*) FROM event WHERE causation_id = ANY(SELECT event_id FROM event)") == 3


def test_the_correlation_id_follows_from_the_first_event(database: Database) -> None:
    (event_id,) = announced(database)

    def handler(work: Work) -> None:
        with work.commit() as commit:
            commit.publish(rejected(work.delivered[0].event), cause=work.delivered[0])

    run(database, handler, [event_id])

    with database.begin() as tx:
        found = tx.execute(sa.text("SELECT DISTINCT correlation_id FROM event")).scalars().all()
    assert found == [event_id]


def test_a_worker_that_comes_back_after_its_lease_changes_nothing(database: Database) -> None:
    event_ids = announced(database, 2)
    seen = []

    def frozen(work: Work) -> None:
        with database.begin() as tx:
            tx.execute(sa.text("UPDATE delivery SET lease_until = clock_timestamp() - interval '1 s'"))
        with database.begin() as tx:
            assert reconcile(tx, QUICK) == 2
        queue(database)
        with database.begin() as tx:  # another worker takes over
            assert len(claims.claim(tx, NAME, event_ids, 30)) == 2
        try:
            with work.commit() as commit:
                commit.publish(rejected(work.delivered[0].event), cause=work.delivered[0])
        except FenceLost:
            seen.append("fence")
            raise

    run(database, frozen, event_ids)

    assert seen == ["fence"]
    assert count(database, "SELECT count(*) FROM event") == 2
    assert states(database)["leased"] == 2


def test_a_handler_that_forgets_to_commit_does_not_lose_its_work(database: Database) -> None:
    event_ids = announced(database)

    run(database, lambda _: None, event_ids)

    assert states(database)["pending"] == 1
    assert count(database, "SELECT count(*) FROM delivery WHERE error_code = 'not_committed'") == 1


def test_a_dead_worker_counts_an_attempt(database: Database) -> None:
    event_ids = announced(database)
    for _ in range(5):
        queue(database)
        with database.begin() as tx:
            assert claims.claim(tx, NAME, event_ids, lease_s=-1)
        with database.begin() as tx:
            reconcile(tx, QUICK)

    assert states(database)["dead"] == 1


def test_a_lease_is_renewed_while_the_handler_works(database: Database) -> None:
    event_ids = announced(database)
    short = LedgerSettings(lease_s=0.6)

    def slow(work: Work) -> None:
        for _ in range(4):
            count(database, "SELECT 1 FROM pg_sleep(0.4)")
            with database.begin() as tx:
                assert reconcile(tx, short) == 0
        with work.commit():
            pass

    run(database, slow, event_ids, short)

    assert count(database, "SELECT count(*) FROM delivery") == 0


def test_a_forged_message_causes_nothing(database: Database, settings: Settings) -> None:
    announced(database)

    def handler(work: Work) -> None:
        raise AssertionError("must not run")

    consumer.run(handler, NAME, "forged", [uuid4()], database, settings.ledger)
    consumer.run(handler, "embedder.embed", "forged", announced(database), database, settings.ledger)

    assert states(database)["pending"] == 2
