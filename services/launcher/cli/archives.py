"""`earmark archives`: how far the archives of a collection are unpacked, and which of their members were refused."""

from typing import Annotated

import typer

from services.launcher.cli.client import Document, api_path
from services.launcher.cli.options import TABLE_ROWS, AsJson, Collection, Limit
from services.launcher.cli.output import show_rows
from services.launcher.cli.session import connect

_COLUMNS = ("object_key", "state", "read_percent", "members", "taken", "skipped", "refused", "reason")
_REFUSED_COLUMNS = ("object_key", "path", "code", "reason")

Refused = Annotated[
    bool, typer.Option("--refused", help="The members that were refused instead, and why.", show_default=False)
]


def archives(
    ctx: typer.Context,
    *,
    collection: Collection,
    refused: Refused = False,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """The archives of a collection, and what became of their members."""
    wanted = limit if limit or as_json else TABLE_ROWS
    path = api_path("collections", collection, "archives")
    with connect(ctx) as api:
        found = list(api.rows(path, limit=None if refused else wanted))
        rows = [{**one, "read_percent": _percent(one)} for one in found]
        if refused:
            rows = [
                {"object_key": one["object_key"], **{name: row[name] for name in ("path", "code", "reason")}}
                for one in found
                if one["refused"]
                for row in api.rows(f"{path}/{one['archive_id']}/members", limit=wanted, refused="true")
            ]
    none = "Nothing of any archive was refused." if refused and found else "No archives yet."
    show_rows(rows[:wanted], _REFUSED_COLUMNS if refused else _COLUMNS, as_json=as_json, none=none)


def _percent(archive: Document) -> int:
    return int(100 * archive["read_bytes"] / max(1, archive["size_bytes"]))
