"""`earmark speakers`: the people who were named."""

from typing import Annotated

import typer

from services.launcher.cli.client import api_path
from services.launcher.cli.following import follow
from services.launcher.cli.options import WAIT_S, AsJson, Timeout, Wait
from services.launcher.cli.output import show_fields, show_rows
from services.launcher.cli.receipts import show_receipt
from services.launcher.cli.session import connect

app = typer.Typer(no_args_is_help=True, help="The people who were named.")
Name = Annotated[str, typer.Argument(metavar="A")]
Everybody = Annotated[bool, typer.Option("--all", help="Those without any segment too.", show_default=False)]
OtherName = Annotated[str, typer.Argument(metavar="B")]


@app.command("list")
def listing(ctx: typer.Context, *, everybody: Everybody = False, as_json: AsJson = False) -> None:
    """The speakers who have segments."""
    with connect(ctx) as api:
        rows = api.items(api_path("speakers"), {"all": "true" if everybody else None})
    show_rows(rows, as_json=as_json, none="No speakers yet.")


@app.command("rename")
def rename(ctx: typer.Context, name: Name, to: OtherName, *, as_json: AsJson = False) -> None:
    """Call speaker A by the name B."""
    with connect(ctx) as api:
        show_fields(api.post(api_path("speakers", name, "rename"), {"to": to}), as_json=as_json)


@app.command("merge")
def merge(
    ctx: typer.Context,
    name: Name,
    other: OtherName,
    *,
    wait: Wait = False,
    timeout: Timeout = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Declare A and B to be one speaker, who goes by the name A; `labels undo` parts them again."""
    with connect(ctx) as api:
        recorded = api.post(api_path("speakers", name, "merge"), {"other": other})
        show_fields(follow(api, recorded, wait=wait, timeout=timeout), as_json=as_json)


@app.command("split")
def split(
    ctx: typer.Context,
    name: Name,
    to: OtherName,
    *,
    segment: Annotated[list[str], typer.Option("--segment", help="A segment that is B's; more than one may be given.")],
    wait: Wait = False,
    timeout: Timeout = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Say that some of A's segments are B's."""
    with connect(ctx) as api:
        recorded = api.post(api_path("speakers", name, "split"), {"segment_ids": segment, "to": to})
        show_fields(follow(api, recorded, wait=wait, timeout=timeout), as_json=as_json)


@app.command("erase")
def erase(
    ctx: typer.Context,
    name: Name,
    *,
    with_recordings: Annotated[
        bool,
        typer.Option("--recordings", help="Also every recording that they are heard in, whole.", show_default=False),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; neither does --json.", show_default=False)] = False,
    as_json: AsJson = False,
) -> None:
    """Forget speaker A: segments, vectors, labels, centroids. The answer is a receipt; there is no way back."""
    also = ", and every recording that they are heard in" if with_recordings else ""
    if not (yes or as_json):
        typer.confirm(f"Erase {name} and everything learned from their voice{also}, for good?", abort=True)
    with connect(ctx) as api:
        erased = api.delete(api_path("speakers", name), {"recordings": "true" if with_recordings else None})
    show_receipt(erased, as_json=as_json)
