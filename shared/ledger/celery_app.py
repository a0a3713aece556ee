"""One Celery app a service, set so that the broker may lose or double anything; importing it opens nothing."""

from typing import Any

from celery import Celery
from celery.signals import worker_process_init
from kombu import Queue

from shared.ledger.routes import queues_of
from shared.settings import Settings
from shared.telemetry import configure_logging

TASK_SOFT_LIMIT_S = 840
TASK_HARD_LIMIT_S = 900  # a message holds at most 600 s of audio or one long recording; a hung child ends here


def make_app(service: str) -> Celery:
    """The app of `service`, whose workers hear its queues and the isolated ones beside them."""
    settings = Settings()
    app = Celery(f"earmark.{service}", broker=settings.redis.url.get_secret_value(), set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_transport_options=transport_options(settings),
        result_backend=None,
        task_acks_late=True,
        task_reject_on_worker_lost=False,  # the ledger tries again
        task_create_missing_queues=False,
        task_default_queue=queues_of(service)[0] if queues_of(service) else service,
        task_ignore_result=True,
        task_queues=[Queue(name) for name in queues_of(service)],
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
        worker_soft_shutdown_timeout=45,
    )
    return app


def transport_options(settings: Settings) -> dict[str, Any]:
    """How kombu talks to Redis; without `socket_timeout` a half-open connection hangs a worker for ever."""
    return {
        "global_keyprefix": settings.redis.key_prefix,
        "health_check_interval": 10,
        "priority_steps": [0],
        "retry_on_timeout": True,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "socket_timeout": 15,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "visibility_timeout": TASK_HARD_LIMIT_S + 60,
    }


@worker_process_init.connect(weak=False)
def _log_from_children(**_: object) -> None:
    settings = Settings()
    configure_logging(settings.log_level, json=settings.log_json)
