"""`earmark audit`: who changed what, when and from where."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from services.launcher.cli.client import api_path
from services.launcher.cli.options import TABLE_ROWS, AsJson, Limit
from services.launcher.cli.output import show_rows
from services.launcher.cli.session import connect
from services.launcher.cli.spans import span

_COLUMNS = ("at", "actor", "method", "route", "collection", "status", "address")


def audit(
    ctx: typer.Context,
    *,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="Only calls about it.", metavar="NAME")
    ] = None,
    since: Annotated[str | None, typer.Option("--since", help="A time, or how long ago: 7d.", metavar="T")] = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Calls that changed something, or were refused, the newest first."""
    wanted = limit if limit or as_json else TABLE_ROWS
    filters = {"collection": collection, "since": None if since is None else _moment(since)}
    with connect(ctx) as api:
        rows = list(api.rows(api_path("audit"), limit=wanted, **filters))
    show_rows(rows, _COLUMNS, as_json=as_json, none="Nothing was changed through the API.")


def _moment(text: str) -> str:
    """A time as it stands, and `7d` as the time seven days ago."""
    if "-" in text:
        return text
    return (datetime.now(UTC) - span(text)).isoformat()
