"""Celery entry points of the clusterer; importing this loads no scikit-learn and opens nothing."""

from services.clusterer import bootstrap, handlers
from shared.ledger.celery_app import make_app
from shared.ledger.consumer import Work, consumes

app = make_app("clusterer")


@consumes(app, "clusterer.assign")
def assign(work: Work) -> None:
    """Compare new segments with the named speakers."""
    handlers.assign(work, bootstrap.clusterer())


@consumes(app, "clusterer.recluster")
def recluster(work: Work) -> None:
    """Find the clusters of a collection afresh."""
    handlers.recluster(work, bootstrap.clusterer())


@consumes(app, "clusterer.propagate")
def propagate(work: Work) -> None:
    """Spread a person's label."""
    handlers.propagate(work, bootstrap.clusterer())


@consumes(app, "clusterer.forget")
def forget(work: Work) -> None:
    """Let names follow the removal of segments."""
    handlers.forget(work, bootstrap.clusterer())


@consumes(app, "clusterer.switch")
def switch(work: Work) -> None:
    """Let another encoder name a collection."""
    handlers.switch(work, bootstrap.clusterer())


@consumes(app, "clusterer.compare_encoders")
def compare_encoders(work: Work) -> None:
    """Compare two encoders on a collection's labels."""
    handlers.compare_encoders(work, bootstrap.clusterer())


@consumes(app, "clusterer.review")
def review(work: Work) -> None:
    """Think out what a label would change."""
    handlers.review(work, bootstrap.clusterer())


@consumes(app, "clusterer.ask")
def ask(work: Work) -> None:
    """Think out what to ask after names have changed."""
    handlers.ask(work)


@consumes(app, "clusterer.ask_anew")
def ask_anew(work: Work) -> None:
    """Think out what to ask after clusters have changed."""
    handlers.ask(work)
