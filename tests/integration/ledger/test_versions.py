"""Old and new processes side by side: what only the new ones know waits for them, and nobody is to blame."""

import pytest
import redis
import sqlalchemy as sa

from shared.ledger.celery_app import make_app
from shared.ledger.consumer import Work
from shared.ledger.doorbell import Doorbell
from shared.ledger.reconcile import reconcile
from shared.ledger.relay import Relay
from shared.settings import Settings
from shared.storage.database import Database
from tests.integration.ledger.deliveries import QUICK, announced, count, run, states


def change(database: Database, statement: str, **values: object) -> None:
    with database.begin() as tx:
        tx.execute(sa.text(statement), values)


def test_a_field_that_only_newer_versions_know_is_ignored(database: Database) -> None:
    event_ids = announced(database, 1)
    change(database, """UPDATE event SET data = data || '{"of_tomorrow": [1]}'""")
    keys = []

    def handler(work: Work) -> None:
        keys.extend(d.event.key for d in work.delivered)
        with work.commit():
            pass

    run(database, handler, event_ids)
    assert keys == ["c/0.wav"]


def test_an_event_of_a_newer_version_waits_without_blame_and_harms_no_batch_mate(database: Database) -> None:
    newer, known = announced(database, 2)
    change(database, "UPDATE event SET type = 'io.earmark.object.seen.v9' WHERE event_id = :id", id=newer)
    done = []

    def handler(work: Work) -> None:
        with work.commit():
            done.extend(d.claim.event_id for d in work.delivered)

    for _ in range(QUICK.attempts_before_dead + 1):
        run(database, handler, [newer, known])

    assert done == [known]
    assert states(database) == {"pending": 1, "queued": 0, "leased": 0, "dead": 0}
    assert count(database, "SELECT attempt FROM delivery WHERE error_code = 'unknown_event'") == 0


def test_when_a_newer_worker_comes_it_is_done(database: Database) -> None:
    (newer,) = announced(database, 1)
    change(database, "UPDATE event SET type = 'io.earmark.object.seen.v9'")
    run(database, pytest.fail, [newer])
    change(database, "UPDATE event SET type = 'io.earmark.object.seen.v1'")  # what the newer worker would read

    def handler(work: Work) -> None:
        with work.commit():
            pass

    run(database, handler, [newer])
    assert count(database, "SELECT count(*) FROM delivery") == 0


def test_a_subscription_of_a_newer_version_is_left_alone(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced(database, 1)
    change(database, "UPDATE delivery SET subscription = 'ingest.of_tomorrow'")
    monkeypatch.setenv("EARMARK_REDIS__URL", settings.redis.url.get_secret_value())
    client = redis.Redis.from_url(settings.redis.url.get_secret_value())
    relay = Relay(database, make_app("relay"), Doorbell(client, settings.redis.key_prefix), QUICK)
    relay.look_after_broker()

    assert relay.carry() == 0
    with database.begin() as tx:
        assert reconcile(tx, QUICK) == 0
    assert states(database) == {"pending": 1, "queued": 0, "leased": 0, "dead": 0}


def test_a_message_that_an_older_worker_threw_away_is_sent_again_without_blame(database: Database) -> None:
    """Celery drops a task that a worker has no code for; nobody has claimed its deliveries."""
    announced(database, 1)
    change(database, "UPDATE delivery SET state = 'queued', lease_until = clock_timestamp() - interval '1 second'")

    with database.begin() as tx:
        assert reconcile(tx, QUICK) == 1
    assert count(database, "SELECT attempt FROM delivery WHERE state = 'pending'") == 0
