"""`earmark db`: the tables. The one group that talks to Postgres, because without tables there is no API."""

from typing import Annotated

import typer

from services.launcher.cli.discovery import local_stack
from services.launcher.cli.options import AsJson
from services.launcher.cli.output import show_fields

app = typer.Typer(no_args_is_help=True, help="The database's tables.")
_VARIABLE = "EARMARK_DATABASE__URL"


@app.command("upgrade")
def upgrade(
    *,
    database_url: Annotated[
        str | None, typer.Option(envvar=_VARIABLE, show_default=False, help="Else the stack running here.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring the tables to this version's state."""
    from shared.settings import Settings
    from shared.storage.migrate import upgrade as upgrade_tables

    stack = None if database_url else local_stack()
    found = stack.database_url if stack else Settings().database.url.get_secret_value()
    upgrade_tables(database_url or found)
    show_fields({"upgraded": True}, as_json=as_json)
