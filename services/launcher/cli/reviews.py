"""`earmark label --review` and `earmark review`: see what a label would change before it is given."""

import sys
from typing import Annotated

import typer

from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.failure import Failure
from services.launcher.cli.following import follow
from services.launcher.cli.options import WAIT_S, AsJson, Collection, Limit, Timeout, Wait
from services.launcher.cli.output import print_document, say, show_fields, show_rows, tell
from services.launcher.cli.progress import spinner
from services.launcher.cli.recordings import list_rows
from services.launcher.cli.session import connect
from services.launcher.cli.waiting import PATIENCE_S, wait_for_state
from shared.wording import counted

_LISTED = ("review_id", "requested_at", "speaker", "actor", "state", "changes", "label_id", "discarded_by")
_COLUMNS = ("segment_id", "object_key", "start_s", "end_s", "before", "speaker", "assigned_by", "confidence")
Id = Annotated[str, typer.Argument(metavar="REVIEW_ID")]
app = typer.Typer(no_args_is_help=True, help="Labels that were looked at before they are given.")


def reviewed(api: Client, label: Document, *, wait: bool, timeout: float, as_json: bool) -> None:
    """Show what a label would change; a person is asked whether to give it, a script gives it by `review apply`."""
    review = _thought_out(api, api.post(api_path("reviews"), label)["review_id"], timeout)
    if as_json:
        print_document(review)
        return
    _show(review)
    if sys.stdin.isatty() and typer.confirm("Give the label?"):
        applied = api.post(api_path("reviews", review["review_id"], "apply"), {"but": []})
        show_fields(follow(api, applied, wait=wait, timeout=timeout), as_json=False)
        return
    say("Nothing has been changed.")
    say(f"To give the label: earmark review apply {review['review_id']}")
    say(f"To leave it: earmark review discard {review['review_id']}")


@app.command("list")
def listing(ctx: typer.Context, *, collection: Collection, limit: Limit = None, as_json: AsJson = False) -> None:
    """The reviews of a collection and what became of them, the newest first."""
    list_rows(ctx, collection, "reviews", _LISTED, limit=limit, as_json=as_json)


@app.command("discard")
def discard(ctx: typer.Context, review_id: Id, *, as_json: AsJson = False) -> None:
    """Decide not to give the label; the review stays in the list."""
    with connect(ctx) as api:
        api.post(api_path("reviews", review_id, "discard"), {})
    show_fields({"review_id": review_id, "state": "discarded"}, as_json=as_json)


@app.command("show")
def show(ctx: typer.Context, review_id: Id, *, timeout: Timeout = WAIT_S, as_json: AsJson = False) -> None:
    """What the label would change."""
    with connect(ctx) as api:
        review = _thought_out(api, review_id, timeout)
    if as_json:
        print_document(review)
    else:
        _show(review)


@app.command("apply")
def apply(
    ctx: typer.Context,
    review_id: Id,
    *,
    but: Annotated[
        list[str] | None,
        typer.Option("--except", help="A segment that is not this speaker's; more than one may be given."),
    ] = None,
    wait: Wait = False,
    timeout: Timeout = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Give the label."""
    with connect(ctx) as api:
        applied = api.post(api_path("reviews", review_id, "apply"), {"but": but or []})
        show_fields(follow(api, applied, wait=wait, timeout=timeout), as_json=as_json)


def _thought_out(api: Client, review_id: str, timeout: float) -> Document:
    path = api_path("reviews", review_id)
    with spinner("thinking it out"):
        return wait_for_state(
            lambda: api.get(path, patience_s=PATIENCE_S), "ready applied discarded failed", timeout, "The review"
        )


def _show(review: Document) -> None:
    if review["failed"]:
        raise Failure("review_failed", review["failed"], "List the segments again and ask for another review.")
    show_rows(review["changes"], _COLUMNS, as_json=False, none="Nothing would change.")
    if review["state"] in {"applied", "discarded"}:
        tell(f"This review has been {review['state']}.")
    else:
        say(f"{counted(len(review['changes']), 'segment')} would change because of the name {review['speaker']}.")
