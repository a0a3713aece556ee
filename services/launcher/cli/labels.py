"""`earmark label`, `earmark labels` and `earmark next`: say who speaks, and look up who said so."""

from typing import Annotated, NoReturn

import typer

from services.launcher.cli.client import api_path
from services.launcher.cli.failure import not_yet
from services.launcher.cli.options import WAIT_S, AsJson, Collection, Limit, Timeout, Wait
from services.launcher.cli.output import show_fields
from services.launcher.cli.progress import spinner
from services.launcher.cli.recordings import list_rows
from services.launcher.cli.session import connect
from services.launcher.cli.waiting import PATIENCE_S, wait_for_state

app = typer.Typer(no_args_is_help=True, help="The log of all labels.")


def label(
    ctx: typer.Context,
    speaker: Annotated[str, typer.Argument(metavar="SPEAKER")],
    *,
    segment: Annotated[str | None, typer.Option("--segment", help="Who speaks in this segment.", metavar="ID")] = None,
    cluster: Annotated[str | None, typer.Option("--cluster", help="Who speaks in this cluster.", metavar="ID")] = None,
    wait: Wait = False,
    timeout: Timeout = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Name the speaker of a segment or a cluster; the name spreads to what sounds alike."""
    if (segment is None) == (cluster is None):
        raise typer.BadParameter("name either --segment ID or --cluster ID")
    target = {"segment_id": segment} if segment else {"cluster_id": cluster}
    with connect(ctx) as api:
        recorded = api.post(api_path("labels"), {**target, "speaker": speaker})
        result = {"label_id": recorded["label_id"], "segments": recorded["segments"], "propagated": None}
        if wait:
            path = api_path("labels", recorded["label_id"])
            with spinner(f"spreading {speaker}"):
                done = wait_for_state(lambda: api.get(path, patience_s=PATIENCE_S), "propagated", timeout, "Spreading")
            result["propagated"] = done["propagated"]
    show_fields(result, as_json=as_json)


@app.command("log")
def log(ctx: typer.Context, *, collection: Collection, limit: Limit = None, as_json: AsJson = False) -> None:
    """What was said, by whom or by which rule, because of which label, and when."""
    list_rows(ctx, collection, "labels", (), limit=limit, as_json=as_json)


@app.command("undo")
def undo(label_id: Annotated[str, typer.Argument(metavar="LABEL_ID")], *, as_json: AsJson = False) -> NoReturn:
    """Take a label back with everything that followed from it (not yet)."""
    _ = label_id, as_json
    raise not_yet("labels undo")


@app.command("as-of")
def as_of(
    time: Annotated[str, typer.Argument(metavar="TIME")], *, collection: Collection, as_json: AsJson = False
) -> NoReturn:
    """Who spoke where, as it was known at a time (not yet)."""
    _ = time, collection, as_json
    raise not_yet("labels as-of")


@app.command("why")
def why(segment_id: Annotated[str, typer.Argument(metavar="SEGMENT_ID")], *, as_json: AsJson = False) -> NoReturn:
    """Why a segment carries its name (not yet)."""
    _ = segment_id, as_json
    raise not_yet("labels why")


def suggest_next(*, collection: Collection, as_json: AsJson = False) -> NoReturn:
    """The segments whose label would resolve most, best first (not yet)."""
    _ = collection, as_json
    raise not_yet("next")
