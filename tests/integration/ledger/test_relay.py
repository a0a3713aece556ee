"""The relay on a real Postgres and a real Valkey."""

import json

import pytest
import redis
import sqlalchemy as sa

from shared.ledger import queueing
from shared.ledger import relay as relay_module
from shared.ledger.celery_app import make_app
from shared.ledger.doorbell import BrokerUnavailable, Doorbell
from shared.ledger.relay import Relay
from shared.settings import LedgerSettings, Settings
from shared.storage.database import Database
from tests.integration.ledger.deliveries import announced, states

SMALL = LedgerSettings(events_per_message=4, depth_messages=2, parallelism=1)


@pytest.fixture
def broker(settings: Settings) -> redis.Redis:
    return redis.Redis.from_url(settings.redis.url.get_secret_value())


@pytest.fixture
def relay(database: Database, settings: Settings, broker: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Relay:
    monkeypatch.setenv("EARMARK_REDIS__URL", settings.redis.url.get_secret_value())
    return Relay(database, make_app("relay"), Doorbell(broker, settings.redis.key_prefix), SMALL)


def messages(broker: redis.Redis, queue: str = "ingest") -> list[int]:
    """How many event ids each waiting message carries."""
    import base64

    raw = broker.lrange(f"earmark:{queue}", 0, -1)
    return [len(json.loads(base64.b64decode(json.loads(m)["body"]))[0][1]) for m in raw]


def test_pending_deliveries_are_packed_and_redis_stays_shallow(relay: Relay, database: Database, broker) -> None:
    announced(database, 20)

    assert relay.carry() == 2
    assert relay.carry() == 0

    assert messages(broker) == [4, 4]
    assert states(database) == {"pending": 12, "queued": 8, "leased": 0, "dead": 0}


def test_a_flushed_redis_gets_its_messages_again(relay: Relay, database: Database, broker) -> None:
    relay.look_after_broker()
    announced(database, 8)
    relay.carry()
    broker.flushall()
    relay.look_after_broker()

    assert relay.carry() == 2
    assert sorted(messages(broker)) == [4, 4]


def test_failed_deliveries_travel_in_smaller_messages_and_then_alone(relay: Relay, database: Database, broker) -> None:
    relay.carry()
    announced(database, 4)
    with database.begin() as tx:
        tx.execute(sa.text("UPDATE delivery SET attempt = 1"))
    relay.carry()
    assert messages(broker) == [2, 2]

    broker.flushall()
    with database.begin() as tx:
        tx.execute(sa.text("UPDATE delivery SET attempt = 2, state = 'pending'"))
    relay.carry()
    assert messages(broker) == []
    assert messages(broker, "ingest.isolated") == [1, 1]


def test_two_relays_never_carry_the_same_delivery(database: Database, settings: Settings, relay: Relay, broker) -> None:
    other = Relay(database, make_app("relay"), Doorbell(broker, settings.redis.key_prefix), SMALL)
    relay.carry()
    event_ids = announced(database, 8)
    with database.begin() as tx:  # the first relay holds its choice open while the second one looks
        (lane,) = queueing.survey(tx, SMALL)
        queueing.take(tx, lane, most=4, after="")
        other.carry()
    assert sum(messages(broker)) == 4
    assert len(event_ids) == 8


def test_a_redis_that_is_away_is_named(database: Database, settings: Settings) -> None:
    gone = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=1)
    relay = Relay(database, make_app("relay"), Doorbell(gone, "earmark:"), SMALL)

    with pytest.raises(BrokerUnavailable):
        relay.look_after_broker()


def test_what_could_not_be_sent_waits_in_postgres(
    database: Database, settings: Settings, broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_REDIS__URL", "redis://127.0.0.1:1/0")
    relay = Relay(database, make_app("relay"), Doorbell(broker, settings.redis.key_prefix), SMALL)
    announced(database, 4)

    with pytest.raises(BrokerUnavailable):
        relay.carry()
    assert states(database) == {"pending": 4, "queued": 0, "leased": 0, "dead": 0}


def test_redis_does_not_fill_up_while_nobody_listens(relay: Relay, database: Database, broker) -> None:
    announced(database, 100)
    for _ in range(20):
        relay.carry()
        with database.begin() as tx:  # every message times out, unheard
            tx.execute(sa.text("UPDATE delivery SET state = 'pending' WHERE state = 'queued'"))

    assert broker.llen("earmark:ingest") <= relay_module.QUEUES_FULL * SMALL.depth_messages


def test_a_queue_that_nobody_listens_to_holds_up_no_other(relay: Relay, database: Database, broker) -> None:
    for _ in range(relay_module.QUEUES_FULL * SMALL.depth_messages):
        broker.lpush("earmark:embedder", "unheard")
    announced(database, 4)

    relay.carry()
    assert sum(messages(broker)) == 4
