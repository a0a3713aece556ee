"""`earmark recordings` and `earmark segments`: the rows of a collection."""

import typer

from services.launcher.cli.client import api_path
from services.launcher.cli.options import TABLE_ROWS, AsJson, Collection, Limit
from services.launcher.cli.output import show_rows, tell
from services.launcher.cli.session import connect

_RECORDING_COLUMNS = ("recording_id", "object_keys", "state", "duration_s", "segments", "speakers")
_SEGMENT_COLUMNS = ("segment_id", "object_key", "start_s", "end_s", "speaker", "assigned_by", "confidence")


def recordings(ctx: typer.Context, *, collection: Collection, limit: Limit = None, as_json: AsJson = False) -> None:
    """The recordings of a collection."""
    list_rows(ctx, collection, "recordings", _RECORDING_COLUMNS, limit=limit, as_json=as_json)


def segments(ctx: typer.Context, *, collection: Collection, limit: Limit = None, as_json: AsJson = False) -> None:
    """The segments of a collection and who speaks in them."""
    list_rows(ctx, collection, "segments", _SEGMENT_COLUMNS, limit=limit, as_json=as_json)


def list_rows(
    ctx: typer.Context, collection: str, kind: str, columns: tuple[str, ...], *, limit: int | None, as_json: bool
) -> None:
    """The rows of one kind: all of them with --json, the first ones for a person."""
    wanted = limit if limit or as_json else TABLE_ROWS
    with connect(ctx) as api:
        rows = list(api.rows(api_path("collections", collection, kind), limit=wanted))
    show_rows(rows, columns, as_json=as_json, none=f"No {kind} yet.")
    if not limit and not as_json and len(rows) == TABLE_ROWS:
        tell(f"These are the first {TABLE_ROWS}; --limit N shows more, --json all.")
