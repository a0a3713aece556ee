"""Celery entry points of the embedder; importing this loads no model and opens nothing."""

from services.embedder import bootstrap, handlers
from shared.ledger.celery_app import make_app
from shared.ledger.consumer import Work, consumes

app = make_app("embedder", announce=bootstrap.announce)


@consumes(app, "embedder.embed")
def embed(work: Work) -> None:
    """Give new segments their vectors."""
    handlers.embed(work, bootstrap.embedder())


@consumes(app, "embedder.check")
def check(work: Work) -> None:
    """Measure an encoder on this machine."""
    handlers.check(work, bootstrap.embedder())
