"""`earmark label` and `earmark labels`: say who speaks, take it back, and look up who said so."""

from typing import Annotated

import typer

from services.launcher.cli import undoing
from services.launcher.cli.client import Document, api_path
from services.launcher.cli.following import follow
from services.launcher.cli.options import WAIT_S, AsJson, Collection, Limit, Timeout, Wait
from services.launcher.cli.output import say, show_fields, show_rows
from services.launcher.cli.recordings import list_rows
from services.launcher.cli.reviews import reviewed
from services.launcher.cli.session import connect
from services.launcher.cli.why import told

app = typer.Typer(no_args_is_help=True, help="The log of all labels.")

Not = Annotated[bool, typer.Option("--not", help="Say that the segment is NOT this speaker's.", show_default=False)]
Review = Annotated[
    bool, typer.Option("--review", help="Show what the label would change, and ask.", show_default=False)
]
OldestFirst = Annotated[bool, typer.Option("--oldest-first", help="From the beginning of the log.", show_default=False)]
Segments = Annotated[
    list[str] | None, typer.Option("--segment", help="Who speaks in this segment; more than one may be given.")
]


def label(
    ctx: typer.Context,
    speaker: Annotated[str, typer.Argument(metavar="SPEAKER")],
    *,
    segment: Segments = None,
    cluster: Annotated[str | None, typer.Option("--cluster", help="Who speaks in this cluster.", metavar="ID")] = None,
    negated: Not = False,
    review: Review = False,
    wait: Wait = False,
    timeout: Timeout = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Name the speaker of a segment or a cluster; the name spreads to what sounds alike.

    `segments` says how many the label itself is about: those that were named by id, or the members of the cluster that
    no person had named. `propagated` says how many more received the name because of it; it is known with --wait, when
    the name has spread.
    """
    if bool(segment) == (cluster is not None):
        raise typer.BadParameter("name either --segment ID or --cluster ID")
    if negated and review:
        raise typer.BadParameter("--not changes one segment only: there is nothing to review")
    if negated and (cluster or len(segment or ()) != 1):
        raise typer.BadParameter("--not goes with one --segment")
    with connect(ctx) as api:
        if review:
            wanted = {**_target(segment, cluster), "speaker": speaker}
            reviewed(api, wanted, wait=wait, timeout=timeout, as_json=as_json)
            return
        if negated:
            assert segment
            recorded = api.post(api_path("rejections"), {"segment_id": segment[0], "speaker": speaker})
        else:
            recorded = api.post(api_path("labels"), {**_target(segment, cluster), "speaker": speaker})
        show_fields(follow(api, recorded, wait=wait, timeout=timeout), as_json=as_json)


def _target(segments: list[str] | None, cluster: str | None) -> Document:
    return {"segment_ids": segments} if segments else {"cluster_id": cluster}


@app.command("log")
def log(
    ctx: typer.Context,
    *,
    collection: Collection,
    oldest_first: OldestFirst = False,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """What was said, by whom or by which rule, because of which label, and when: the newest first."""
    columns = ("label_id", "created_at", "operation", "speaker", "actor", "segments", "active", "undoes_id")
    order = "oldest" if oldest_first else "newest"
    none = "No labels yet."
    list_rows(ctx, collection, "labels", columns, limit=limit, as_json=as_json, none=none, order=order)


@app.command("undo")
def undo(
    ctx: typer.Context,
    label_id: Annotated[str, typer.Argument(metavar="LABEL_ID")],
    *,
    wait: Wait = False,
    timeout: Timeout = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Take a label, an import, a merge, a split, a rename, a clustering or a switch back, with all that followed.

    It makes an entry of its own; undo that to have the label again.
    """
    with connect(ctx) as api:
        recorded = api.post(api_path("labels", label_id, "undo"), {})
        result = follow(api, recorded, wait=wait, timeout=timeout)
        result |= {
            "undone": recorded["undone"],
            "changed": api.get(api_path("labels", recorded["label_id"]))["changed"],
        }
    if as_json:
        show_fields(result, as_json=True)
        return
    for line in undoing.told(result, spread=wait):
        say(line)


@app.command("as-of")
def as_of(
    ctx: typer.Context,
    at: Annotated[str, typer.Argument(metavar="TIME", help="Such as 2026-11-21T13:00:00Z.")],
    *,
    collection: Collection,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Who spoke where, as it was known at a time."""
    list_rows(ctx, collection, "names", (), limit=limit, as_json=as_json, none="Nobody had a name then.", at=at)


@app.command("why")
def why(
    ctx: typer.Context, segment_id: Annotated[str, typer.Argument(metavar="SEGMENT_ID")], *, as_json: AsJson = False
) -> None:
    """Why a segment carries its name: the chain down to what a person said, and how it came about."""
    with connect(ctx) as api:
        found = api.get(api_path("segments", segment_id, "why"))
    if as_json:
        show_fields(found, as_json=True)
        return
    for line in told(found):
        say(line)
    if found["history"]:
        say("How it came about:")
        columns = ("at", "speaker", "assigned_by", "confidence", "operation", "actor", "label_id")
        show_rows(found["history"], columns, as_json=False)
