"""Two Celery apps that do nothing with what they receive: one through the ledger, one with a task a segment."""

import os

from celery import Celery

from shared.ledger.celery_app import make_app
from shared.ledger.consumer import Work, consumes

ledger = make_app("embedder")


@consumes(ledger, "embedder.embed")
def embed(work: Work) -> None:
    """Commit at once."""
    with work.commit():
        pass


plain = Celery("plain", broker=os.environ.get("EARMARK_REDIS__URL"), set_as_current=False)
plain.conf.update(task_ignore_result=True, worker_prefetch_multiplier=16, task_default_queue="plain")


@plain.task(name="plain.segment")
def segment(segment_id: str) -> None:
    """Do nothing."""
    del segment_id
