"""`earmark speakers`: the people who were named."""

from typing import Annotated, NoReturn

import typer

from services.launcher.cli.client import api_path
from services.launcher.cli.failure import not_yet
from services.launcher.cli.options import AsJson
from services.launcher.cli.output import show_fields, show_rows
from services.launcher.cli.session import connect

app = typer.Typer(no_args_is_help=True, help="The people who were named.")
Name = Annotated[str, typer.Argument(metavar="A")]
OtherName = Annotated[str, typer.Argument(metavar="B")]


@app.command("list")
def listing(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """All speakers."""
    with connect(ctx) as api:
        show_rows(api.items(api_path("speakers")), as_json=as_json, none="No speakers yet.")


@app.command("rename")
def rename(ctx: typer.Context, name: Name, to: OtherName, *, as_json: AsJson = False) -> None:
    """Call speaker A by the name B."""
    with connect(ctx) as api:
        show_fields(api.post(api_path("speakers", name, "rename"), {"to": to}), as_json=as_json)


@app.command("merge")
def merge(name: Name, other: OtherName, *, as_json: AsJson = False) -> NoReturn:
    """Declare A and B to be one speaker (not yet)."""
    _ = name, other, as_json
    raise not_yet("speakers merge")


@app.command("erase")
def erase(name: Name, *, as_json: AsJson = False) -> NoReturn:
    """Forget a speaker and everything learned from their voice (not yet)."""
    _ = name, as_json
    raise not_yet("speakers erase")
