"""`earmark status`: how the services do and how much work waits."""

import typer

from services.launcher.cli.client import api_path
from services.launcher.cli.options import AsJson
from services.launcher.cli.output import show_fields
from services.launcher.cli.session import connect


def status(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the services, the work that waits, and the recordings by state."""
    with connect(ctx) as api:
        show_fields(api.get(api_path("status")), as_json=as_json)
