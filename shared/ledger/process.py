"""The loop of a long-running process: beat, work, wait, survive a database that is away, end on SIGTERM."""

import signal
import threading
from collections.abc import Callable

from shared import metrics
from shared.errors import EarmarkError
from shared.ledger.heartbeat import Heart
from shared.settings import Settings
from shared.telemetry import logger

log = logger("process")

PAUSE_AFTER_FAILURE_S = 0.5


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set; call it in the main thread."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def loop(
    service: str,
    settings: Settings,
    step: Callable[[threading.Event], None],
    stop: threading.Event,
    heart: Heart | None = None,
) -> None:
    """Run `step` again and again until `stop` is set; each step does its own waiting.

    A step that may take longer than readiness waits for a heartbeat brings the heart, and beats it on its way.
    """
    heart = heart or Heart(service, settings.database, settings.heartbeat_s)
    metrics.serve(settings.metrics)
    log.info("started", service=service)
    heart.beat()
    while not stop.is_set():
        try:
            step(stop)
            heart.beat()  # not after a failure: a process that gets nowhere is not ready
        except EarmarkError as error:
            log.warning("step_failed", service=service, code=error.code, error=str(error))
            stop.wait(PAUSE_AFTER_FAILURE_S)
    heart.stop()
    log.info("stopped", service=service)
