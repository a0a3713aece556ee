"""`earmark next`: what to label next."""

from typing import Annotated

import typer

from services.launcher.cli.client import Document, api_path
from services.launcher.cli.options import AsJson, Collection
from services.launcher.cli.output import show_rows
from services.launcher.cli.progress import spinner
from services.launcher.cli.session import connect
from services.launcher.cli.waiting import PATIENCE_S, rounds

_THINKING_S = 30.0
_COLUMNS = ("segment_id", "object_key", "start_s", "end_s", "suggestion", "expected_resolved", "reason")
Number = Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="How many.", metavar="N")]


def suggest_next(ctx: typer.Context, *, collection: Collection, limit: Number = 10, as_json: AsJson = False) -> None:
    """The segments whose label would resolve most, best first."""
    with connect(ctx) as api, spinner("thinking"):
        path = api_path("collections", collection, "next")
        found: Document = {"items": []}
        for _ in rounds(_THINKING_S):
            found = api.get(path, {"limit": limit}, patience_s=PATIENCE_S)
            if found["fresh"]:
                break
    show_rows(found["items"], _COLUMNS, as_json=as_json, none="Nothing to ask.")
