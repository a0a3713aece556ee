"""Carry pending deliveries to Celery: packed, few at a time, and again when Redis has forgotten them.

Redis only rings the doorbell: it holds a handful of messages of ids, the backlog waits in Postgres. Any number of
relays may run.
"""

import threading
from dataclasses import dataclass
from uuid import UUID

import redis
import sqlalchemy as sa
from celery import Celery
from kombu.exceptions import OperationalError

from shared.errors import TransientError
from shared.ids import new_id
from shared.ledger.bell import Bell
from shared.ledger.celery_app import make_app
from shared.ledger.outbox import PENDING_CHANNEL
from shared.ledger.packing import Limits, Pending, limits, pack
from shared.ledger.process import loop, stop_on_signals
from shared.ledger.routes import SUBSCRIPTIONS, Subscription
from shared.settings import LedgerSettings, Settings
from shared.storage.database import Database
from shared.telemetry import configure_logging, logger

log = logger("relay")


class BrokerUnavailable(TransientError):
    """Redis did not answer; deliveries wait in Postgres until it does."""

    code = "broker_unavailable"


@dataclass(frozen=True, slots=True)
class Tier:
    """How deliveries of a number of failed attempts travel."""

    lowest: int
    highest: int
    share: float  # of the subscription's limits; 0 is alone
    isolated: bool


TIERS = (Tier(0, 0, 1.0, isolated=False), Tier(1, 1, 0.5, isolated=False), Tier(2, 2**31 - 1, 0.0, isolated=True))

_DEPTH = sa.text("""
    SELECT subscription, count(DISTINCT message_id) AS depth FROM delivery WHERE state = 'queued' GROUP BY 1
""")
_WAITING = sa.text("""
    SELECT DISTINCT subscription FROM delivery WHERE state = 'pending' AND not_before <= clock_timestamp()
""")
_TAKE = sa.text("""
    SELECT event_id, n_segments, audio_s FROM delivery
    WHERE subscription = :subscription AND state = 'pending' AND not_before <= clock_timestamp()
      AND attempt BETWEEN :lowest AND :highest
    ORDER BY not_before LIMIT :most FOR UPDATE SKIP LOCKED
""")
_MARK = sa.text("""
    UPDATE delivery SET state = 'queued', message_id = pushed.message_id,
           lease_until = clock_timestamp() + make_interval(secs => :timeout_s)
    FROM unnest(CAST(:event_ids AS uuid[]), CAST(:message_ids AS uuid[])) AS pushed(event_id, message_id)
    WHERE delivery.event_id = pushed.event_id AND subscription = :subscription
""")
_FORGOTTEN = sa.text("""
    UPDATE delivery SET state = 'pending', message_id = NULL, lease_until = NULL WHERE state = 'queued'
""")


@dataclass(frozen=True, slots=True)
class Message:
    """What one Celery message carries: ids, checked again in Postgres by whoever receives it."""

    message_id: UUID
    subscription: Subscription
    event_ids: tuple[UUID, ...]
    isolated: bool


class Relay:
    """One carrier between a Postgres and a broker."""

    def __init__(self, database: Database, app: Celery, doorbell: "Doorbell", settings: LedgerSettings) -> None:
        self._database = database
        self._app = app
        self._doorbell = doorbell
        self._settings = settings

    def carry(self) -> int:
        """Push what is pending as far as the queues may be filled; returns the number of messages."""
        if self._doorbell.has_forgotten():
            self._take_back()
        messages = [m for s in self._waiting() for tier in TIERS for m in self._fill(s, tier)]
        for message in messages:
            self._send(message)
        return len(messages)

    def _waiting(self) -> list[Subscription]:
        with self._database.begin() as tx:
            names = set(tx.execute(_WAITING).scalars())
        return [s for s in SUBSCRIPTIONS if s.name in names]

    def _fill(self, subscription: Subscription, tier: Tier) -> list[Message]:
        whole = limits(self._settings, subscription.share)
        allowed = Limits(1, 1, 0.0) if tier.isolated else whole.scaled(tier.share)
        with self._database.begin() as tx:
            depths: dict[str, int] = {row.subscription: row.depth for row in tx.execute(_DEPTH)}
            room = self._settings.depth_messages - depths.get(subscription.name, 0)
            if room <= 0:
                return []
            wanted = {"subscription": subscription.name, "lowest": tier.lowest, "highest": tier.highest}
            rows = tx.execute(_TAKE, {**wanted, "most": room * allowed.events})
            pending = [Pending(row.event_id, row.n_segments, row.audio_s) for row in rows]
            packed = pack(pending, allowed.shared_out(len(pending), self._settings.parallelism))[:room]
            messages = [Message(new_id(), subscription, tuple(ids), tier.isolated) for ids in packed]
            if messages:
                tx.execute(
                    _MARK,
                    {
                        "subscription": subscription.name,
                        "timeout_s": self._settings.queued_timeout_s,
                        "event_ids": [e for m in messages for e in m.event_ids],
                        "message_ids": [m.message_id for m in messages for _ in m.event_ids],
                    },
                )
        return messages

    def _send(self, message: Message) -> None:
        subscription = message.subscription
        try:
            self._app.send_task(
                subscription.name,
                args=[str(message.message_id), [str(e) for e in message.event_ids]],
                task_id=str(message.message_id),
                queue=subscription.isolated_queue if message.isolated else subscription.queue,
                retry=False,
                ignore_result=True,
            )
        except (OperationalError, OSError, redis.RedisError) as error:
            raise BrokerUnavailable(str(error)) from error

    def _take_back(self) -> None:
        with self._database.begin() as tx:
            n_deliveries = tx.execute(_FORGOTTEN).rowcount
        if n_deliveries:
            log.warning("broker_forgot", n_deliveries=n_deliveries)


class Doorbell:
    """Notices that Redis was restarted or flushed, and so may have lost the messages it held."""

    def __init__(self, client: redis.Redis, key_prefix: str) -> None:
        self._client = client
        self._key = f"{key_prefix}canary"
        self._run_id: str | None = None

    def has_forgotten(self) -> bool:
        """Whether messages may be gone since the last call; raises BrokerUnavailable while Redis is away."""
        try:
            run_id = str(self._client.info("server")["run_id"])
            planted = bool(self._client.set(self._key, "alive", nx=True))
        except (redis.RedisError, OSError) as error:
            raise BrokerUnavailable(str(error)) from error
        restarted = self._run_id is not None and run_id != self._run_id
        self._run_id = run_id
        return planted or restarted


def main() -> None:
    """Run one relay until SIGTERM."""
    settings = Settings()
    configure_logging(settings.log_level, json=settings.log_json)
    stop = stop_on_signals()
    database = Database(settings.database)
    client = redis.Redis.from_url(
        settings.redis.url.get_secret_value(), socket_timeout=5, socket_connect_timeout=5, socket_keepalive=True
    )
    app = make_app("relay")
    relay = Relay(database, app, Doorbell(client, settings.redis.key_prefix), settings.ledger)
    bell = Bell(database, PENDING_CHANNEL)

    def step(stop: threading.Event) -> None:
        while not stop.is_set() and relay.carry():
            pass
        bell.wait(settings.ledger.poll_s)

    loop("relay", settings, step, stop)


if __name__ == "__main__":
    main()
