"""`earmark encoders` and `earmark segmenters`: the models that the workers offer."""

from typing import Annotated

import typer

from services.launcher.cli.client import api_path
from services.launcher.cli.options import AsJson, Timeout
from services.launcher.cli.output import show_fields, show_rows
from services.launcher.cli.progress import spinner
from services.launcher.cli.session import connect
from services.launcher.cli.waiting import PATIENCE_S, wait_for_state

encoders = typer.Typer(no_args_is_help=True, help="Models that turn a voice into a vector.")
segmenters = typer.Typer(no_args_is_help=True, help="Models that find the speech in a recording.")
_CHECK_WAIT_S = 600.0


@encoders.command("list")
def list_encoders(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """The encoders that the workers offer."""
    with connect(ctx) as api:
        rows = api.items(api_path("encoders"))
    show_rows(rows, ("name", "space", "dimension"), as_json=as_json, none="No worker offers an encoder.")


@encoders.command("check")
def check_encoder(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    timeout: Timeout = _CHECK_WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Have a worker build an encoder and try whether it keeps its promises."""
    with connect(ctx) as api:
        path = api_path("encoder-checks", api.post(api_path("encoders", name, "checks"), {})["check_id"])
        with spinner(f"checking {name}"):
            done = wait_for_state(lambda: api.get(path, patience_s=PATIENCE_S), "done", timeout, f"The check of {name}")
    show_fields(done["result"], as_json=as_json)


@segmenters.command("list")
def list_segmenters(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """The segmenters that the workers offer."""
    with connect(ctx) as api:
        rows = api.items(api_path("segmenters"))
    shown = rows if as_json else [{"name": row["name"], **row.get("spec", {})} for row in rows]
    show_rows(shown, ("name", "revision", "description"), as_json=as_json, none="No worker offers a segmenter.")
