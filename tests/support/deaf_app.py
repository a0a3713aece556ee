"""A worker whose event loop can be made to hang by remote control, as in docs/decisions/0020."""

import time
from typing import Any

from celery.worker.control import control_command

from shared.ledger.celery_app import make_app

app = make_app("clusterer")


@control_command()
def go_deaf(state: Any) -> None:
    """Runs in the event loop; nothing wakes it."""
    time.sleep(1e6)
