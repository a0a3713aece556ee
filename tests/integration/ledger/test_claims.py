"""Deliveries on a real Postgres: claimed once, fenced, retried, buried."""

from uuid import uuid4

import pytest
import sqlalchemy as sa
from celery.exceptions import SoftTimeLimitExceeded

from shared.errors import PermanentError, TransientError
from shared.events import ObjectSeen, RecordingRejected
from shared.ledger import claims, consumer, dead
from shared.ledger.consumer import FenceLost, Work
from shared.ledger.outbox import announce, publish
from shared.ledger.reconcile import reconcile
from shared.settings import LedgerSettings, Settings
from shared.storage.database import Database, driver

NAME = "ingest.register"
QUICK = LedgerSettings(backoff_base_s=0.0, lease_s=30)


def object_seen(key: str = "c/a.wav") -> ObjectSeen:
    return ObjectSeen(object_id=uuid4(), collection="c", bucket="audio", key=key, etag="e", size_bytes=1)


def rejected(event: ObjectSeen) -> RecordingRejected:
    return RecordingRejected(object_id=event.object_id, collection="c", key=event.key, code="x", reason="y")


def announced(database: Database, n_events: int = 1) -> list:
    announcements = [announce(object_seen(f"c/{n}.wav")) for n in range(n_events)]
    with database.begin() as tx:
        publish(tx, announcements)
    return [a.event_id for a in announcements]


def queue(database: Database) -> None:
    with database.begin() as tx:
        tx.execute(sa.text("UPDATE delivery SET state = 'queued', lease_until = NULL WHERE state = 'pending'"))


def count(database: Database, query: str) -> int:
    with database.begin() as tx:
        return int(tx.execute(sa.text(query)).scalar_one())


def states(database: Database) -> dict[str, int]:
    with database.begin() as tx:
        return dead.backlog(tx)


def run(database: Database, handler, event_ids, settings: LedgerSettings = QUICK) -> None:
    queue(database)
    consumer.run(handler, NAME, "message", event_ids, database, settings)


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


def test_an_event_of_an_unknown_type_is_buried_and_harms_no_batch_mate(database: Database) -> None:
    event_ids = announced(database, 2)
    with database.begin() as tx:
        tx.execute(
            sa.text("UPDATE event SET type = 'io.earmark.object.seen.v9' WHERE event_id = :id"), {"id": event_ids[0]}
        )

    def handler(work: Work) -> None:
        with work.commit():
            pass

    run(database, handler, event_ids)

    assert states(database) == {"pending": 0, "queued": 0, "leased": 0, "dead": 1}


def test_a_forged_message_causes_nothing(database: Database, settings: Settings) -> None:
    announced(database)

    def handler(work: Work) -> None:
        raise AssertionError("must not run")

    consumer.run(handler, NAME, "forged", [uuid4()], database, settings.ledger)
    consumer.run(handler, "embedder.embed", "forged", announced(database), database, settings.ledger)

    assert states(database)["pending"] == 2


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
