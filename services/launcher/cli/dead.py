"""`earmark dead`: work that was given up; look at it, give it another chance, or drop it."""

from typing import Annotated

import typer

from services.launcher.cli.client import api_path
from services.launcher.cli.options import AsJson
from services.launcher.cli.output import show_fields, show_rows
from services.launcher.cli.session import connect

app = typer.Typer(no_args_is_help=True, help="Work that was given up after its last attempt.")
EventIds = Annotated[list[str], typer.Argument(metavar="ID...")]


@app.command("list")
def listing(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """All of it, with the reasons."""
    with connect(ctx) as api:
        show_rows(api.items(api_path("dead")), as_json=as_json, none="Nothing was given up.")


@app.command("requeue")
def requeue(ctx: typer.Context, event_ids: EventIds, *, as_json: AsJson = False) -> None:
    """Try again from the first attempt."""
    with connect(ctx) as api:
        show_fields(api.post(api_path("dead", "requeue"), {"event_ids": event_ids}), as_json=as_json)


@app.command("drop")
def drop(ctx: typer.Context, event_ids: EventIds, *, as_json: AsJson = False) -> None:
    """Never do it."""
    with connect(ctx) as api:
        show_fields(api.post(api_path("dead", "drop"), {"event_ids": event_ids}), as_json=as_json)
