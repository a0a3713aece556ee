"""Celery entry points of ingest; importing this loads no decoder and opens nothing."""

from services.ingest import bootstrap, erasing, handlers, unpacking
from shared.ledger.celery_app import make_app
from shared.ledger.consumer import Work, consumes

app = make_app("ingest", announce=bootstrap.announce)


@consumes(app, "ingest.register")
def register(work: Work) -> None:
    """Decode new objects into recordings, or reject them."""
    handlers.register(work, bootstrap.ingest())


@consumes(app, "ingest.render")
def render(work: Work) -> None:
    """Make recordings' audio at the rates that encoders want."""
    handlers.render(work, bootstrap.ingest())


@consumes(app, "ingest.erase")
def erase(work: Work) -> None:
    """Delete what was erased from the bucket and from the log."""
    erasing.erase(work, bootstrap.ingest())


@consumes(app, "ingest.unpack")
def unpack(work: Work) -> None:
    """Take the members of archives as objects of their own, for a while."""
    unpacking.unpack(work, bootstrap.ingest())


@consumes(app, "ingest.segment")
def segment(work: Work) -> None:
    """Cut new recordings into segments."""
    handlers.segment(work, bootstrap.ingest())
