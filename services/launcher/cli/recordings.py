"""`earmark recordings` and `earmark segments`: the rows of a collection."""

import json
from typing import Annotated, Any, Literal
from uuid import UUID

import typer

from services.launcher.cli import erasing
from services.launcher.cli.client import Client, api_path
from services.launcher.cli.options import TABLE_ROWS, AsJson, Collection, Limit
from services.launcher.cli.output import show_rows, tell
from services.launcher.cli.session import connect

Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="NAME=VALUE", help="Whose attributes have this value; again for more, which must all apply."
    ),
]
_VALUES_SHOWN = 20
_REJECTED_COLUMNS = ("object_key", "code", "reason")
_RECORDING_COLUMNS = ("recording_id", "object_keys", "state", "duration_s", "segments", "speakers")
_SEGMENT_COLUMNS = ("segment_id", "object_key", "start_s", "end_s", "speaker", "assigned_by", "confidence")
_SUGGESTED_COLUMNS = ("segment_id", "object_key", "start_s", "end_s", "suggestion", "suggestion_probability")


app = typer.Typer()
app.command("erase")(erasing.erase)
app.command("unerase")(erasing.unerase)

Rejected = Annotated[bool, typer.Option("--rejected", help="The files that could not be used instead, and why.")]


@app.callback(invoke_without_command=True)
def recordings(
    ctx: typer.Context,
    *,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="The collection.", metavar="NAME", show_default=False)
    ] = None,
    rejected: Rejected = False,
    where: Where = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """The recordings of a collection, or the files in it that could not be used."""
    if ctx.invoked_subcommand is not None:
        return
    if collection is None:
        raise typer.BadParameter("name one: --collection NAME", param_hint="--collection")
    if rejected and where:
        raise typer.BadParameter("a rejected file is no recording: --where and --rejected exclude each other")
    if rejected:
        list_rows(ctx, collection, "objects", _REJECTED_COLUMNS, limit=limit, as_json=as_json, state="rejected")
    else:
        filters: dict[str, Any] = {"where": where} if where else {}
        list_rows(ctx, collection, "recordings", _RECORDING_COLUMNS, limit=limit, as_json=as_json, **filters)


Recording = Annotated[
    str | None,
    typer.Option(
        "--recording", "--key", metavar="R", help="Of one recording by its id, or of all below a path or its beginning."
    ),
]
Cluster = Annotated[str | None, typer.Option("--cluster", help="Of one cluster.", metavar="ID")]
Speaker = Annotated[str | None, typer.Option("--speaker", help="In which this speaker speaks.", metavar="NAME")]
Unnamed = Annotated[bool, typer.Option("--unnamed", help="That nobody has a name for yet.", show_default=False)]
Suggested = Annotated[
    bool, typer.Option("--suggested", help="That have no name, but somebody is suggested.", show_default=False)
]


Modality = Annotated[
    Literal["audio", "text"] | None, typer.Option("--modality", help="Only what is heard, or only captions.")
]


def segments(
    ctx: typer.Context,
    *,
    collection: Collection,
    speaker: Speaker = None,
    cluster: Cluster = None,
    recording: Recording = None,
    unnamed: Unnamed = False,
    suggested: Suggested = False,
    where: Where = None,
    modality: Modality = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """The segments of a collection and who speaks in them: all, or those to which every option applies."""
    wanted = {
        "speaker": speaker,
        "cluster_id": cluster,
        "recording_id" if _is_id(recording) else "key": recording,
        "unnamed": "true" if unnamed else None,
        "suggested": "true" if suggested else None,
        "where": where or None,
        "modality": modality,
    }
    filters: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    columns = _SUGGESTED_COLUMNS if suggested else _SEGMENT_COLUMNS
    list_rows(ctx, collection, "segments", columns, limit=limit, as_json=as_json, **filters)


def _is_id(text: str | None) -> bool:
    try:
        UUID(text or "")
    except ValueError:
        return False
    return True


def _tell_values(api: Client, collection: str, where: object) -> None:
    """Of conditions that left nothing, the values that there are instead, if they are few."""
    for condition in where if isinstance(where, list) else ():
        name, _, value = condition.partition("=")
        found = api.get(api_path("collections", collection, "attributes"), {"name": name})["values"]
        values = [one["value"] if isinstance(one["value"], str) else json.dumps(one["value"]) for one in found]
        if value not in values and len(values) <= _VALUES_SHOWN:
            tell(f"{name} is nowhere {value!r}, but one of: {', '.join(values)}")


def list_rows(
    ctx: typer.Context,
    collection: str,
    kind: str,
    columns: tuple[str, ...],
    *,
    limit: int | None,
    as_json: bool,
    none: str = "",
    **filters: object,
) -> None:
    """The rows of one kind: all of them with --json, the first ones for a person, who is told if there are `none`."""
    wanted = limit if limit or as_json else TABLE_ROWS
    with connect(ctx) as api:
        rows = list(api.rows(api_path("collections", collection, kind), limit=wanted, **filters))
        if not rows and not as_json:
            _tell_values(api, collection, filters.get("where"))
    show_rows(rows, columns, as_json=as_json, none=none or ("None." if filters else f"No {kind} yet."))
    if not limit and not as_json and len(rows) == TABLE_ROWS:
        tell(f"These are the first {TABLE_ROWS}; --limit N shows more, --json all.")
