"""`earmark status`: how the services do and how much work waits."""

import typer

from services.launcher.cli.client import api_path
from services.launcher.cli.options import AsJson
from services.launcher.cli.output import show_fields, tell
from services.launcher.cli.session import connect
from services.launcher.cli.troubles import why


def status(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the services, the work that waits, and the recordings by state."""
    with connect(ctx) as api:
        found = api.get(api_path("status"))
    troubles = [] if as_json else found.pop("troubles")
    show_fields(found, as_json=as_json)
    for trouble in troubles:
        of = ", ".join(trouble["collections"])
        tell(f"{trouble['encoder']} of {of} ({trouble['state']}): {why(trouble)}", "red")
    if not as_json and found["backlog"]["dead"]:
        tell("Work was given up; why: earmark dead list")
