"""Carry pending deliveries to Celery: packed, few at a time, and again when Redis has forgotten them.

Redis only rings the doorbell: it holds a handful of messages of ids, the backlog waits in Postgres. Any number of
relays may run.
"""

import threading
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from shared import metrics
from shared.ids import new_id
from shared.ledger import queueing
from shared.ledger.bell import Bell
from shared.ledger.celery_app import make_app
from shared.ledger.doorbell import BrokerUnavailable, Doorbell
from shared.ledger.outbox import PENDING_CHANNEL
from shared.ledger.packing import Limits, limits, pack
from shared.ledger.process import loop, stop_on_signals
from shared.ledger.queueing import Lane, Tier
from shared.ledger.routes import BY_NAME, Subscription
from shared.settings import LedgerSettings, Settings
from shared.storage.database import Database
from shared.telemetry import configure_logging, logger

log = logger("relay")

QUEUES_FULL = 4  # times the depth: then Redis holds enough of one queue, whatever Postgres thinks
LINGER_S = 0.004  # commits come in swarms: one look serves all of one


@dataclass(frozen=True, slots=True)
class Message:
    """What one Celery message carries: ids, checked again in Postgres by whoever receives it."""

    message_id: UUID
    subscription: Subscription
    event_ids: tuple[UUID, ...]
    isolated: bool

    @property
    def queue(self) -> str:
        """Where it goes."""
        return _queue(self.subscription, isolated=self.isolated)


class Relay:
    """One carrier between a Postgres and a broker."""

    def __init__(self, database: Database, app: Celery, doorbell: Doorbell, settings: LedgerSettings) -> None:
        self._database = database
        self._app = app
        self._doorbell = doorbell
        self._settings = settings
        self._last_turn: dict[tuple[str, Tier], str] = {}

    def carry(self) -> int:
        """Push what is pending as far as the queues may be filled; returns the number of messages."""
        messages = [message for lane in self._survey() for message in self._fill(lane)]
        for position, message in enumerate(messages):
            try:
                self._send(message)
            except BrokerUnavailable:
                self._take_back([m.message_id for m in messages[position:]])
                raise
            name = message.subscription.name
            metrics.count("earmark_relay_messages_total", subscription=name)
            metrics.count("earmark_relay_deliveries_total", len(message.event_ids), subscription=name)
        return len(messages)

    def look_after_broker(self) -> None:
        """Take back what Redis held if it may have forgotten; raises BrokerUnavailable while it is away."""
        if self._doorbell.has_forgotten():
            self._take_back(None)

    def _survey(self) -> list[Lane]:
        """Where something waits and may be pushed: a queue is topped up when it is half empty.

        Where nobody listens, messages that were pushed and timed out still lie in Redis; more would only pile up.
        """
        most = self._settings.depth_messages
        with self._database.begin() as tx:
            lanes = [lane for lane in queueing.survey(tx, self._settings) if lane.depth <= most // 2]
        if not lanes:
            return []
        lengths = self._doorbell.lengths()
        for queue, length in lengths.items():
            metrics.put("earmark_redis_queue_messages", length, queue=queue)
        return [lane for lane in lanes if lengths[_queue_of(lane)] < QUEUES_FULL * most]

    def _fill(self, lane: Lane) -> list[Message]:
        subscription = BY_NAME[lane.subscription]
        room = self._settings.depth_messages - lane.depth
        whole = limits(self._settings, subscription.share)
        allowed = Limits(1, 1, 0.0) if lane.tier.isolated else whole.scaled(lane.tier.share)
        turn = lane.subscription, lane.tier
        with self._database.begin() as tx:
            pending, of = queueing.take(tx, lane, room * allowed.events, self._last_turn.get(turn, ""))
            packed = pack(pending, allowed.shared_out(pending, self._settings.parallelism))[:room]
            if not packed:
                return []
            self._last_turn[turn] = of[sum(map(len, packed)) - 1]
            messages = [Message(new_id(), subscription, tuple(ids), lane.tier.isolated) for ids in packed]
            sent = {m.message_id: m.event_ids for m in messages}
            queueing.mark(tx, subscription.name, sent, self._settings.queued_timeout_s)
        return messages

    def _send(self, message: Message) -> None:
        try:
            self._app.send_task(
                message.subscription.name,
                args=[str(message.message_id), [str(e) for e in message.event_ids]],
                task_id=str(message.message_id),
                queue=message.queue,
                retry=False,
                ignore_result=True,
            )
        except (OperationalError, OSError, redis.RedisError) as error:
            raise BrokerUnavailable(str(error)) from error

    def _take_back(self, message_ids: list[UUID] | None) -> None:
        with self._database.begin() as tx:
            n_deliveries = queueing.take_back(tx, message_ids)
        if n_deliveries:
            metrics.count("earmark_relay_taken_back_total", n_deliveries)
            log.warning("taken_back", n_deliveries=n_deliveries)


def _queue_of(lane: Lane) -> str:
    return _queue(BY_NAME[lane.subscription], isolated=lane.tier.isolated)


def _queue(subscription: Subscription, *, isolated: bool) -> str:
    return subscription.isolated_queue if isolated else subscription.queue


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
