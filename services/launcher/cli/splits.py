"""`earmark split`: a segment taken apart by hand."""

from typing import Annotated

import typer

from services.launcher.cli.client import api_path
from services.launcher.cli.options import AsJson
from services.launcher.cli.output import show_fields, show_rows
from services.launcher.cli.session import connect

At = Annotated[
    list[float],
    typer.Option("--at", help="Seconds from the start of the recording; may be given more than once.", metavar="S"),
]


def split(
    ctx: typer.Context,
    segment_id: Annotated[str, typer.Argument(metavar="SEGMENT_ID")],
    *,
    at: At,
    as_json: AsJson = False,
) -> None:
    """Take a segment apart, for instance where a second voice begins. Its parts have no name yet."""
    with connect(ctx) as api:
        done = api.post(api_path("segments", segment_id, "split"), {"at_s": at})
    if as_json:
        show_fields(done, as_json=True)
    else:
        show_rows(done["parts"], ("segment_id", "start_s", "end_s"), as_json=False)
