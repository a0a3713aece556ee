"""Carry pending deliveries to Celery: packed, few at a time, and again when Redis has forgotten them.

Redis only rings the doorbell: it holds a handful of messages of ids, the backlog waits in Postgres. Any number of
relays may run.
"""

import threading
from dataclasses import dataclass
from time import monotonic
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
from shared.ledger.routes import QUEUES, SUBSCRIPTIONS, Subscription
from shared.settings import LedgerSettings, Settings
from shared.storage.database import Database
from shared.telemetry import configure_logging, logger

log = logger("relay")


class BrokerUnavailable(TransientError):
    """Redis did not answer; deliveries wait in Postgres until it does."""

    code = "broker_unavailable"


QUEUES_FULL = 4  # times the depth: then Redis holds enough of one queue, whatever Postgres thinks
LINGER_S = 0.004  # commits come in swarms: one look serves all of one


@dataclass(frozen=True, slots=True)
class Tier:
    """How deliveries of a number of failed attempts travel."""

    lowest: int
    highest: int
    share: float  # of the subscription's limits; 0 is alone
    isolated: bool


TIERS = (Tier(0, 0, 1.0, isolated=False), Tier(1, 1, 0.5, isolated=False), Tier(2, 2**31 - 1, 0.0, isolated=True))

# One round trip that says what there is to do: a wake-up with nothing to push must cost next to nothing.
_SURVEY = sa.text("""
    SELECT s.name, s.lowest, s.highest,
           (SELECT count(DISTINCT message_id) FROM delivery d
            WHERE d.state = 'queued' AND d.subscription = s.name AND (d.attempt >= :alone) = (s.lowest >= :alone)
           ) AS depth
    FROM unnest(CAST(:names AS text[]), CAST(:lowest AS int[]), CAST(:highest AS int[])) AS s(name, lowest, highest)
    WHERE EXISTS (SELECT FROM delivery d WHERE d.subscription = s.name AND d.state = 'pending'
                  AND d.attempt BETWEEN s.lowest AND s.highest AND d.not_before <= clock_timestamp())
""")
_TAKE = sa.text("""
    SELECT event_id, n_segments, audio_s FROM delivery
    WHERE subscription = :subscription AND state = 'pending' AND not_before <= clock_timestamp()
      AND attempt = :lowest
    ORDER BY not_before LIMIT :most FOR UPDATE SKIP LOCKED
""")
_TAKE_ALONE = sa.text("""
    SELECT event_id, n_segments, audio_s FROM delivery
    WHERE subscription = :subscription AND state = 'pending' AND not_before <= clock_timestamp()
      AND attempt >= :lowest
    ORDER BY not_before LIMIT :most FOR UPDATE SKIP LOCKED
""")
_MARK = sa.text("""
    UPDATE delivery SET state = 'queued', message_id = pushed.message_id,
           lease_until = clock_timestamp() + make_interval(secs => :timeout_s)
    FROM unnest(CAST(:event_ids AS uuid[]), CAST(:message_ids AS uuid[])) AS pushed(event_id, message_id)
    WHERE delivery.event_id = pushed.event_id AND subscription = :subscription
""")
_TAKE_BACK = sa.text("""
    UPDATE delivery SET state = 'pending', message_id = NULL, lease_until = NULL
    WHERE state = 'queued' AND (:every OR message_id = ANY(CAST(:ids AS uuid[])))
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
        messages = [m for subscription, tier, room in self._survey() for m in self._fill(subscription, tier, room)]
        for position, message in enumerate(messages):
            try:
                self._send(message)
            except BrokerUnavailable:
                self._take_back([m.message_id for m in messages[position:]])
                raise
        return len(messages)

    def look_after_broker(self) -> None:
        """Take back what Redis held if it may have forgotten; raises BrokerUnavailable while it is away."""
        if self._doorbell.has_forgotten():
            self._take_back(None)

    def _survey(self) -> list[tuple[Subscription, Tier, int]]:
        """Where something waits and how many messages may be pushed: a queue is topped up when it is half empty."""
        asked = [(s, t) for s in SUBSCRIPTIONS for t in TIERS]
        values = {
            "names": [s.name for s, _ in asked],
            "lowest": [t.lowest for _, t in asked],
            "highest": [t.highest for _, t in asked],
            "alone": TIERS[-1].lowest,
        }
        with self._database.begin() as tx:
            waiting = {(row.name, row.lowest): row.depth for row in tx.execute(_SURVEY, values)}
        most = self._settings.depth_messages
        if waiting and self._doorbell.most_waiting() >= QUEUES_FULL * most:
            return []  # nobody listens: what was pushed and timed out still lies there, more would only pile up
        depths = [(s, t, waiting.get((s.name, t.lowest))) for s, t in asked]
        return [(s, t, most - depth) for s, t, depth in depths if depth is not None and depth <= most // 2]

    def _fill(self, subscription: Subscription, tier: Tier, room: int) -> list[Message]:
        whole = limits(self._settings, subscription.share)
        allowed = Limits(1, 1, 0.0) if tier.isolated else whole.scaled(tier.share)
        with self._database.begin() as tx:
            wanted = {"subscription": subscription.name, "lowest": tier.lowest, "most": room * allowed.events}
            rows = tx.execute(_TAKE_ALONE if tier.isolated else _TAKE, wanted)  # equality keeps the index's order
            pending = [Pending(row.event_id, row.n_segments, row.audio_s) for row in rows]
            packed = pack(pending, allowed.shared_out(pending, self._settings.parallelism))[:room]
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

    def _take_back(self, message_ids: list[UUID] | None) -> None:
        """Make queued deliveries pending again: of these messages, or all. A message that got through does no harm."""
        with self._database.begin() as tx:
            n_deliveries = tx.execute(_TAKE_BACK, {"every": message_ids is None, "ids": message_ids or []}).rowcount
        if n_deliveries:
            log.warning("taken_back", n_deliveries=n_deliveries)


class Doorbell:
    """Notices that Redis was restarted or flushed, and so may have lost the messages it held; and how many it holds."""

    def __init__(self, client: redis.Redis, key_prefix: str) -> None:
        self._client = client
        self._prefix = key_prefix
        self._key = f"{key_prefix}canary"
        self._run_id: str | None = None

    def most_waiting(self) -> int:
        """The length of the longest queue; raises BrokerUnavailable."""
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for queue in QUEUES:
                    pipeline.llen(f"{self._prefix}{queue}")
                lengths: list[int] = pipeline.execute()
        except (redis.RedisError, OSError) as error:
            raise BrokerUnavailable(str(error)) from error
        return max(lengths)

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

    looked_s = float("-inf")

    def step(stop: threading.Event) -> None:
        nonlocal looked_s
        if monotonic() - looked_s > settings.ledger.poll_s:
            relay.look_after_broker()
            looked_s = monotonic()
        while not stop.is_set() and relay.carry():
            pass
        bell.wait(settings.ledger.poll_s)
        stop.wait(LINGER_S)

    loop("relay", settings, step, stop)


if __name__ == "__main__":
    main()
