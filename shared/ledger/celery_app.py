"""One Celery app a service, set so that the broker may lose or double anything; importing it opens nothing."""

import gc
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from celery import Celery, bootsteps
from celery.signals import setup_logging, worker_before_create_process, worker_init, worker_shutdown
from kombu import Exchange, Queue

from shared import metrics
from shared.errors import TransientError
from shared.ledger.heartbeat import Heart
from shared.ledger.routes import QUEUES, queues_of
from shared.ledger.scratch import scratch_folder, sweep_folders
from shared.ledger.transport import NAME as TRANSPORT
from shared.settings import Settings
from shared.storage.database import Database
from shared.telemetry import configure_logging, logger

log = logger("worker")

ANNOUNCE_RETRY_S = 0.2

PULSE_S = 1.0
DEAF_S = 5.0

TASK_SOFT_LIMIT_S = 840
TASK_HARD_LIMIT_S = 900  # a message holds at most 600 s of audio or one long recording; a hung child ends here


def make_app(service: str, announce: Callable[[Database], None] | None = None) -> Celery:
    """The app of `service`, whose workers hear its queues and the isolated ones beside them.

    Each worker's parent process beats its heart while its event loop turns, and writes down by `announce` what the
    worker offers.
    """
    settings = Settings()
    queues = queues_of(service) or QUEUES  # the relay hears nothing and sends to all
    exchange = Exchange("earmark", type="direct")
    app = Celery(f"earmark.{service}", broker=settings.redis.url.get_secret_value(), set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_transport=TRANSPORT,
        broker_transport_options=transport_options(settings),
        result_backend=None,
        task_acks_late=True,
        task_reject_on_worker_lost=False,  # the ledger tries again
        task_create_missing_queues=False,
        task_default_queue=queues[0],
        task_ignore_result=True,
        task_queues=[Queue(name, exchange, routing_key=name) for name in queues],
        task_send_sent_event=False,
        task_soft_time_limit=TASK_SOFT_LIMIT_S,
        task_time_limit=TASK_HARD_LIMIT_S,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_disable_prefetch=True,
        worker_hijack_root_logger=False,
        worker_pool="prefork",
        worker_prefetch_multiplier=1,
        worker_proc_alive_timeout=300,  # the default of 4 s kills a slow model load
        worker_send_task_events=True,
    )
    pulse = Pulse()
    app.steps["consumer"].add(_pulse_step(pulse))
    app.steps["worker"].add(_life_step(service, pulse, announce))
    return app


class Pulse:
    """When the event loop that hears the queues last turned. A thread that beat by itself would say nothing of it."""

    def __init__(self) -> None:
        self._felt_s = float("-inf")
        self._deaf = False

    def feel(self) -> None:
        """The loop turns."""
        self._felt_s = monotonic()

    def lives(self) -> bool:
        """Whether it has turned lately; not while it is without Redis, nor if it hangs (docs/decisions/0020)."""
        deaf = monotonic() - self._felt_s > DEAF_S
        if deaf and not self._deaf and self._felt_s > 0:
            log.warning("worker_is_deaf")
        self._deaf = deaf
        return not deaf


def _pulse_step(pulse: Pulse) -> type[bootsteps.StartStopStep]:
    """A part of the consumer, which is stopped and started whenever the connection is."""

    class Feeling(bootsteps.StartStopStep):  # type: ignore[misc]  # celery is not typed
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def __init__(self, parent: object, **options: object) -> None:
            super().__init__(parent, **options)
            self._entry: Any = None

        def start(self, parent: Any) -> None:
            pulse.feel()
            self._entry = parent.timer.call_repeatedly(PULSE_S, pulse.feel)

        def stop(self, parent: object) -> None:
            del parent
            if self._entry is not None:
                self._entry.cancel()

    return Feeling


def _life_step(
    service: str, pulse: Pulse, announce: Callable[[Database], None] | None
) -> type[bootsteps.StartStopStep]:
    """A part of the worker that runs from its start to its end beside the pool."""

    class Life(bootsteps.StartStopStep):  # type: ignore[misc]  # celery is not typed
        requires = ("celery.worker.components:Pool",)

        def __init__(self, parent: object, **options: object) -> None:
            super().__init__(parent, **options)
            self._stop = threading.Event()

        def start(self, parent: object) -> None:
            del parent
            metrics.serve(Settings().metrics)
            living = (service, pulse, announce, self._stop)
            threading.Thread(target=_live, args=living, name="life", daemon=True).start()

        def stop(self, parent: object) -> None:
            del parent
            self._stop.set()

    return Life


def _live(service: str, pulse: Pulse, announce: Callable[[Database], None] | None, stop: threading.Event) -> None:
    settings = Settings()
    heart = Heart(service, settings.database, settings.heartbeat_s)
    announced = announce is None
    while not stop.wait(ANNOUNCE_RETRY_S if not announced else 1.0):
        if announce is not None and not announced:
            announced = _announced(announce, settings)
        if announced and pulse.lives():
            heart.beat()
    heart.stop()


def _announced(announce: Callable[[Database], None], settings: Settings) -> bool:
    database = Database(settings.database)
    try:
        announce(database)
    except TransientError as error:
        log.warning("not_announced", code=error.code, error=str(error))
        return False
    finally:
        database.close()
    return True


def transport_options(settings: Settings) -> dict[str, Any]:
    """How kombu talks to Redis; without `socket_timeout` a half-open connection hangs a worker for ever.

    So does `retry_on_timeout`: when the connection of a worker's remote control is reset, redis-py then opens another
    one inside the event loop and waits there for a command that nobody sends (kombu 5.7, redis 8.1; tests/chaos).
    """
    return {
        "global_keyprefix": settings.redis.key_prefix,
        "health_check_interval": 10,
        "priority_steps": [0],
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "socket_timeout": 15,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "visibility_timeout": TASK_HARD_LIMIT_S + 60,
    }


@setup_logging.connect(weak=False)
def _log_as_we_do(**_: object) -> None:
    """Celery calls this instead of setting up logs of its own; its children inherit the result."""
    settings = Settings()
    configure_logging(settings.log_level, json=settings.log_json)


@worker_before_create_process.connect(weak=False)
def _share_what_is_loaded(**_: object) -> None:
    """Leave all that a child inherits to the parent: the child's collector would copy it, 27 MB of an embedder's."""
    gc.freeze()


@worker_init.connect(weak=False)
def _count_together(**_: object) -> None:
    """Before the pool forks: its processes count in files of one folder, which the parent adds up."""
    if Settings().metrics.port is not None:
        metrics.share(scratch_folder("metrics"))


@worker_shutdown.connect(weak=False)
def _leave_nothing(**_: object) -> None:
    """The pool's processes are gone, and what they kept of audio goes too, even if they could not see to it."""
    sweep_folders()
