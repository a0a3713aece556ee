"""`earmark next`: what to label next."""

from typing import NoReturn

from services.launcher.cli.failure import not_yet
from services.launcher.cli.options import AsJson, Collection


def suggest_next(*, collection: Collection, as_json: AsJson = False) -> NoReturn:
    """The segments whose label would resolve most, best first (not yet)."""
    _ = collection, as_json
    raise not_yet("next")
