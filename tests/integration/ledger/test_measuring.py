"""What the consumer counts of its messages, and what its log lines say of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
import structlog

from shared.errors import TransientError
from shared.ledger.consumer import Work
from shared.ledger.outbox import announce, correlated, publish
from shared.storage.database import Database
from shared.telemetry import logger
from tests.integration.ledger.deliveries import NAME, announced, count, object_seen, rejected, run
from tests.support.scraping import own


@contextmanager
def growth() -> Iterator[dict[str, float]]:
    """How much was counted meanwhile of each outcome and attempt; the counters are the process's."""
    before, grown = _counted(), dict[str, float]()
    yield grown
    grown.update({name: n - before.get(name, 0) for name, n in _counted().items() if n != before.get(name, 0)})


def _counted() -> dict[str, float]:
    series = own()
    found = {outcome: n for (outcome, of), n in series["earmark_deliveries_total"].items() if of == NAME}
    found |= {f"attempt {n}": value for (n, of), value in series["earmark_claims_total"].items() if of == NAME}
    found["empty"] = series["earmark_empty_messages_total"].get((NAME,), 0)
    found["messages"] = series["earmark_message_deliveries_count"].get((NAME,), 0)
    found["in messages"] = series["earmark_message_deliveries_sum"].get((NAME,), 0)
    found["lost"] = series["earmark_fences_lost_total"].get((NAME,), 0)
    return found


def commit(work: Work) -> None:
    with work.commit():
        pass


def test_done_is_counted_when_it_is_committed(database: Database) -> None:
    event_ids = announced(database, 3)
    with growth() as grown:
        run(database, commit, event_ids)
    assert grown == {"done": 3, "attempt 1": 3, "messages": 1, "in messages": 3}


def test_a_message_that_came_twice_counts_as_empty(database: Database) -> None:
    event_ids = announced(database)
    run(database, commit, event_ids)
    with growth() as grown:
        run(database, commit, event_ids)
    assert grown == {"empty": 1}


def test_failures_are_released_and_dead_after_the_last_attempt(database: Database) -> None:
    def fail(work: Work) -> None:
        raise ZeroDivisionError

    event_ids = announced(database)
    with growth() as grown:
        for _ in range(5):
            run(database, fail, event_ids)
    assert (grown["released"], grown["dead"]) == (4, 1)
    assert [grown[f"attempt {n}"] for n in range(1, 6)] == [1] * 5


def test_what_is_deferred_is_not_done(database: Database) -> None:
    def defer(work: Work) -> None:
        one, _ = work.delivered
        with work.commit() as tx:
            tx.defer(one, TransientError("later"))

    with growth() as grown:
        run(database, defer, announced(database, 2))
    assert (grown["released"], grown["done"]) == (1, 1)


def test_work_that_another_worker_has_taken_over_is_counted_as_that(database: Database) -> None:
    event_ids = announced(database)

    def freeze(work: Work) -> None:
        with database.begin() as tx:
            tx.execute(sa.text("UPDATE delivery SET fence = fence + 1"))
        commit(work)

    with growth() as grown:
        run(database, freeze, event_ids)
    assert grown["lost"] >= 1
    assert "done" not in grown


def test_the_lines_of_a_message_have_its_id_and_the_first_names_its_chains(database: Database) -> None:
    event_ids = announced(database, 2)

    def say(work: Work) -> None:
        logger("of the handler").info("hello")
        commit(work)

    with lines() as written:
        run(database, say, event_ids)
        logger("after").info("later")
    inside, after = written[:-1], written[-1]
    assert [line["event"] for line in inside] == ["claimed", "hello", "work_done"]
    for line in inside:
        assert (line["subscription"], line["message_id"]) == (NAME, "message")
    assert inside[0]["event_ids"] == inside[0]["correlation_ids"] == [str(one) for one in event_ids]
    assert not {"correlation_id", "correlation_ids"} & (inside[1].keys() | inside[2].keys())
    assert "message_id" not in after


def test_every_line_of_a_lone_delivery_names_its_chain(database: Database) -> None:
    (event_id,) = announced(database, 1)

    def say(work: Work) -> None:
        logger("of the handler").info("hello")
        commit(work)

    with lines() as written:
        run(database, say, [event_id])
    assert [line["correlation_id"] for line in written[1:]] == [str(event_id)] * 2


@contextmanager
def lines() -> Iterator[list[dict[str, Any]]]:
    """What is logged meanwhile, as services log it."""
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as written:
        yield written


def test_what_follows_says_when_its_work_began_and_in_which_attempt(database: Database) -> None:
    event_ids = announced(database)

    def reject(work: Work) -> None:
        (one,) = work.delivered
        with work.commit() as tx:
            tx.publish(rejected(one.event), cause=one)

    run(database, reject, event_ids)
    query = """SELECT count(*) FROM event e JOIN event cause ON cause.event_id = e.causation_id
               WHERE e.attempt = 1 AND e.began_at BETWEEN cause.occurred_at AND e.occurred_at"""
    assert count(database, query) == 1
    assert count(database, "SELECT count(*) FROM event WHERE causation_id IS NULL AND began_at IS NULL") == 1


def test_what_a_request_announces_is_one_chain_under_its_name(database: Database) -> None:
    request = announce(object_seen()).event_id
    with correlated(request), database.begin() as tx:
        publish(tx, [announce(object_seen("c/1.wav")), announce(object_seen("c/2.wav"))])
    assert count(database, f"SELECT count(*) FROM event WHERE correlation_id = '{request}'") == 2
