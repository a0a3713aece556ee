"""`earmark tokens`: who may use the API."""

from typing import Annotated

import typer

from services.launcher.cli.client import Document, api_path
from services.launcher.cli.options import AsJson
from services.launcher.cli.output import show_fields, show_rows, tell
from services.launcher.cli.session import connect

app = typer.Typer(no_args_is_help=True, help="Who may use the API.")
Name = Annotated[str, typer.Argument(metavar="NAME")]


@app.command("create")
def create(
    ctx: typer.Context,
    name: Name,
    *,
    scope: Annotated[list[str] | None, typer.Option("--scope", help="What it allows; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token; it is shown this once and kept only as a hash."""
    body: Document = {"name": name, **({"scopes": scope} if scope else {})}
    with connect(ctx) as api:
        show_fields(api.post(api_path("tokens"), body), as_json=as_json)
    tell("Keep it: it cannot be shown again.")


@app.command("list")
def listing(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """All tokens, by name; never the tokens themselves."""
    with connect(ctx) as api:
        show_rows(list(api.rows(api_path("tokens"))), as_json=as_json, none="No tokens.")


@app.command("revoke")
def revoke(ctx: typer.Context, name: Name, *, as_json: AsJson = False) -> None:
    """Make a token worthless at once."""
    with connect(ctx) as api:
        api.delete(api_path("tokens", name))
    show_fields({"name": name, "revoked": True}, as_json=as_json)
