"""Celery entry points of the embedder; importing this loads no model and opens nothing."""

from services.embedder import bootstrap, handlers
from shared.ledger.celery_app import make_app
from shared.ledger.consumer import Work, consumes

app = make_app("embedder", announce=bootstrap.announce)


@consumes(app, "embedder.embed")
def embed(work: Work) -> None:
    """Give new segments their vectors."""
    handlers.embed(work, bootstrap.embedder())


@consumes(app, "embedder.supply")
def supply(work: Work) -> None:
    """Give segments that a person named or split their vectors."""
    handlers.embed(work, bootstrap.embedder())


@consumes(app, "embedder.enlist")
def enlist(work: Work) -> None:
    """Find out what a backfill wants of some recordings."""
    handlers.enlist(work, bootstrap.embedder())


@consumes(app, "embedder.backfill")
def backfill(work: Work) -> None:
    """Give segments that were there before an encoder their vectors."""
    handlers.embed(work, bootstrap.embedder())


@consumes(app, "embedder.define")
def define(work: Work) -> None:
    """Read the checkpoint of an encoder that somebody added."""
    handlers.define(work)


@consumes(app, "embedder.discard")
def discard(work: Work) -> None:
    """Have deleted what lies in the object store of segments that are gone."""
    handlers.discard(work)


@consumes(app, "embedder.check")
def check(work: Work) -> None:
    """Measure an encoder on this machine."""
    handlers.check(work, bootstrap.embedder())
