"""`earmark dead`: work that was given up; look at it, give it another chance, or drop it."""

from collections import Counter
from typing import Annotated

import typer

from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.options import AsJson
from services.launcher.cli.output import show_fields, show_rows, tell
from services.launcher.cli.session import connect

app = typer.Typer(no_args_is_help=True, help="Work that was given up after its last attempt.")
EventIds = Annotated[list[str] | None, typer.Argument(metavar="[ID...]", show_default=False)]
Code = Annotated[str | None, typer.Option("--code", help="All that failed with this error code.", metavar="CODE")]
All = Annotated[bool, typer.Option("--all", help="A line for each, with its id.", show_default=False)]
_KIND = ("subscription", "error_code", "last_error")


@app.command("list")
def listing(ctx: typer.Context, *, everything: All = False, as_json: AsJson = False) -> None:
    """What was given up and why, equal failures together; --all and --json show each by itself."""
    with connect(ctx) as api:
        rows = api.items(api_path("dead"))
    if as_json or everything:
        show_rows(rows, as_json=as_json, none="Nothing was given up.")
        return
    show_rows(_kinds(rows), as_json=False, none="Nothing was given up.")
    if rows:
        tell("--all shows their ids. Once it is put right: earmark dead requeue --code CODE, or ID...")


@app.command("requeue")
def requeue(ctx: typer.Context, event_ids: EventIds = None, *, code: Code = None, as_json: AsJson = False) -> None:
    """Try again from the first attempt."""
    with connect(ctx) as api:
        chosen = {"event_ids": _chosen(api, event_ids, code)}
        show_fields(api.post(api_path("dead", "requeue"), chosen), as_json=as_json)


@app.command("drop")
def drop(ctx: typer.Context, event_ids: EventIds = None, *, code: Code = None, as_json: AsJson = False) -> None:
    """Never do it."""
    with connect(ctx) as api:
        show_fields(api.post(api_path("dead", "drop"), {"event_ids": _chosen(api, event_ids, code)}), as_json=as_json)


def _kinds(rows: list[Document]) -> list[Document]:
    """The most frequent first, with the oldest of each; `rows` begin with the oldest."""
    found = Counter(tuple(row[part] for part in _KIND) for row in rows)
    since = {tuple(row[part] for part in _KIND): row["created_at"] for row in reversed(rows)}
    return [{"n": n, **dict(zip(_KIND, kind, strict=True)), "since": since[kind]} for kind, n in found.most_common()]


def _chosen(api: Client, event_ids: list[str] | None, code: str | None) -> list[str]:
    if bool(event_ids) == (code is not None):
        raise typer.BadParameter("name either ids or --code")
    return event_ids or [row["event_id"] for row in api.items(api_path("dead")) if row["error_code"] == code]
