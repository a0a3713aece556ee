"""`earmark tokens`: who may use the API."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.failure import Failure
from services.launcher.cli.options import AsJson
from services.launcher.cli.output import show_fields, show_rows, tell
from services.launcher.cli.session import connect
from services.launcher.cli.spans import span

app = typer.Typer(no_args_is_help=True, help="Who may use the API.")
Name = Annotated[str, typer.Argument(metavar="NAME")]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", metavar="S", help="read, label, ingest or admin; may be repeated. All but admin if none."),
]
Collections = Annotated[
    list[str] | None,
    typer.Option("--collection", "-c", metavar="NAME", help="Good for this one only; may be repeated. All if none."),
]
Expires = Annotated[str | None, typer.Option("--expires", metavar="SPAN", help="Valid for so long: 12h, 30d, 6w.")]
Days = Annotated[
    float | None, typer.Option("--days", metavar="N", min=0.0, max=36500.0, help="Valid for so long; else for ever.")
]
_USUAL_SCOPES = ("read", "label", "ingest")
_COLUMNS = ("name", "scopes", "collections", "created_at", "expires_at", "expired")


@app.command("create")
def create(
    ctx: typer.Context,
    name: Name,
    *,
    scope: Scopes = None,
    collection: Collections = None,
    expires: Expires = None,
    days: Days = None,
    as_json: AsJson = False,
) -> None:
    """Make a token; it is shown this once and kept only as a hash."""
    body: Document = {"name": name, "scopes": scope or list(_USUAL_SCOPES), "collections": collection or None}
    if expires is not None and days is not None:
        raise typer.BadParameter("--expires and --days say the same: give one of them")
    valid_for = span(expires) if expires else timedelta(days=days) if days is not None else None
    if valid_for is not None:
        body["expires_at"] = (datetime.now(UTC) + valid_for).isoformat()
    with connect(ctx) as api:
        standing = {one["name"] for one in api.items(api_path("collections"))} if collection else set()
        show_fields(api.post(api_path("tokens"), body), as_json=as_json)
    for name_of_none in sorted({*(collection or ())} - standing):
        tell(f"There is no collection {name_of_none} yet; the token will be good for it.")
    tell("Keep it: it cannot be shown again.")


@app.command("list")
def listing(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """All tokens, by name; never the tokens themselves."""
    with connect(ctx) as api:
        show_rows(api.items(api_path("tokens")), _COLUMNS, as_json=as_json, none="No tokens were made.")


@app.command("revoke")
def revoke(ctx: typer.Context, name: Name, *, as_json: AsJson = False) -> None:
    """Make a token worthless at once."""
    with connect(ctx) as api:
        api.delete(api_path("tokens", _token_id(api, name)))
    show_fields({"name": name, "revoked": True}, as_json=as_json)


def _token_id(api: Client, name: str) -> str:
    for token in api.items(api_path("tokens")):
        if token["name"] == name:
            return str(token["token_id"])
    raise Failure("unknown_token", f"There is no token {name!r}.", "See: earmark tokens list")
