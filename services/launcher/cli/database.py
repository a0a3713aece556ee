"""`earmark db`: the tables. The one group that talks to Postgres, because without tables there is no API."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from services.launcher.cli.discovery import local_stack
from services.launcher.cli.options import AsJson
from services.launcher.cli.output import show_fields

if TYPE_CHECKING:
    from shared.storage.database import Transaction

app = typer.Typer(no_args_is_help=True, help="The database's tables.")
_VARIABLE = "EARMARK_DATABASE__URL"

DatabaseUrl = Annotated[
    str | None, typer.Option(envvar=_VARIABLE, show_default=False, help="Else the stack running here.")
]


@app.command("upgrade")
def upgrade(
    *,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Bring the tables to this version's state."""
    from shared.storage.migrate import upgrade as upgrade_tables

    upgrade_tables(_address(database_url))
    show_fields({"upgraded": True}, as_json=as_json)


@app.command("roles")
def roles(*, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Make a role for each service, without a login, with its rights; for the superuser of a server of your own."""
    from shared.storage import roles as service_roles

    with _transaction(database_url) as tx:
        made = service_roles.create(tx)
        service_roles.grant(tx)
    names = [service_roles.name_of(service) for service in service_roles.SERVICES]
    show_fields({"roles": names, "made": made}, as_json=as_json)


@app.command("settle")
def settle(*, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """After a restore by hand, as of `pg_dump`, and before any service starts; `earmark restore` sees to it itself."""
    from shared.storage import backups

    with _transaction(database_url) as tx:
        backups.settle(tx)
    show_fields({"settled": True}, as_json=as_json)


@contextmanager
def _transaction(given: str | None) -> Iterator["Transaction"]:
    from pydantic import SecretStr

    from shared.settings import DatabaseSettings
    from shared.storage.database import Database

    with closing(Database(DatabaseSettings(url=SecretStr(_address(given))))) as database, database.begin() as tx:
        yield tx


def _address(given: str | None) -> str:
    from shared.settings import Settings

    stack = None if given else local_stack()
    return given or (stack.database_url if stack else Settings().database.url.get_secret_value())
