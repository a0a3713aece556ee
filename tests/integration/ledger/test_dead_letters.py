"""Dead letters by the thousand: counted, read page by page, requeued and dropped portion by portion."""

import pytest
import sqlalchemy as sa

from shared.ledger import dead
from shared.ledger.dead import EVERY, Chosen, Key, Portion
from shared.storage.database import Database
from tests.integration.ledger.deliveries import count, states

N = 2500
_EVENTS = sa.text("""
    INSERT INTO event (event_id, type, source, subject, data, correlation_id)
    SELECT gen_random_uuid(), 'io.earmark.object.seen.v1', 'earmark/test', 'c/' || n, '{}', gen_random_uuid()
    FROM generate_series(1, :n) AS n RETURNING event_id
""")
_LETTERS = sa.text("""
    INSERT INTO delivery (event_id, subscription, collection, state, attempt, error_code, last_error, created_at)
    SELECT event_id, :subscription, :collection, 'dead', 5, :code, 'It is so.', now() FROM unnest(:ids) AS event_id
""")


def given_up(
    database: Database, n: int, code: str, subscription: str = "embedder.embed", collection: str = "talk"
) -> list:
    with database.begin() as tx:
        ids = list(tx.execute(_EVENTS, {"n": n}).scalars())
        said = {"subscription": subscription, "collection": collection, "code": code}
        tx.execute(_LETTERS, said | {"ids": ids})
    return ids


def portions(database: Database, deed, chosen: Chosen, most: int) -> list[Portion]:
    """All of them, each in a transaction of its own."""
    found: list[Portion] = []
    after: Key | None = None
    while not found or after is not None:
        with database.begin() as tx:
            found.append(deed(tx, chosen, after, most))
        after = found[-1].after
        assert len(found) < 10, "it comes back to what it has seen to"
    return found


@pytest.mark.parametrize(("deed", "pending"), [(dead.requeue_portion, N), (dead.drop_portion, 0)])
def test_all_that_fit_are_seen_to_and_nothing_else(database: Database, deed, pending: int) -> None:
    given_up(database, N, "no_weights")
    given_up(database, 1, "other")
    given_up(database, 1, "no_weights", subscription="ingest.register")
    given_up(database, 1, "no_weights", collection="theirs")

    done = portions(database, deed, Chosen("no_weights", "embedder.embed", "talk"), most=1000)

    assert [portion.n for portion in done] == [1000, 1000, 500]
    assert states(database) == {"pending": pending, "queued": 0, "leased": 0, "dead": 3}
    assert count(database, "SELECT count(*) FROM delivery WHERE state = 'pending' AND attempt > 0") == 0


def test_what_dies_again_meanwhile_is_not_requeued_a_second_time(database: Database) -> None:
    given_up(database, 30, "no_weights")

    def requeue_and_fail(*arguments) -> Portion:
        done = dead.requeue_portion(*arguments)
        arguments[0].execute(sa.text("UPDATE delivery SET state = 'dead' WHERE state = 'pending'"))
        return done

    assert sum(p.n for p in portions(database, requeue_and_fail, Chosen("no_weights"), most=10)) == 30


def test_nothing_is_dropped_while_an_erasure_is_among_them(database: Database) -> None:
    given_up(database, 2, "away")
    given_up(database, 1, "away", subscription="ingest.erase")
    with database.begin() as tx, pytest.raises(dead.UnfinishedErasure):
        dead.drop_portion(tx, Chosen("away"), None, 1)
    assert states(database)["dead"] == 3
    assert sum(p.n for p in portions(database, dead.drop_portion, Chosen("away", "embedder.embed"), most=10)) == 2


def test_kinds_count_all_of_them(database: Database) -> None:
    given_up(database, N, "no_weights")
    given_up(database, 1, "other")
    with database.begin() as tx:
        found = dead.kinds(tx, most=1)
        within = dead.kinds(tx, Chosen(within=["theirs"]))
    (kind,) = found.items
    assert (kind.n, kind.subscription, kind.error_code) == (N, "embedder.embed", "no_weights")
    assert (found.n_letters, found.n_kinds) == (N + 1, 2)
    assert (within.items, within.n_letters) == ([], 0)


def test_pages_hold_each_letter_once_though_all_were_announced_at_once(database: Database) -> None:
    ids = given_up(database, 25, "no_weights")
    seen, after = [], None
    with database.begin() as tx:
        while page := dead.listing(tx, 10, EVERY, after):
            seen += [letter.event_id for letter in page]
            after = (page[-1].created_at, page[-1].event_id, page[-1].subscription)
    assert sorted(seen) == sorted(ids)
