"""`earmark dead`: work that was given up; look at it, give it another chance, or drop it."""

from typing import Annotated, Literal
from uuid import uuid4

import typer

from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.options import AsJson
from services.launcher.cli.output import show_fields, show_rows, tell
from services.launcher.cli.progress import CountBar
from services.launcher.cli.session import connect
from services.launcher.cli.waiting import PATIENCE_S
from shared.wording import counted

app = typer.Typer(no_args_is_help=True, help="Work that was given up after its last attempt.")
Deed = Literal["requeue", "drop"]
EventIds = Annotated[list[str] | None, typer.Argument(metavar="[ID...]", show_default=False)]
Code = Annotated[str | None, typer.Option("--code", help="All that failed with this error code.", metavar="CODE")]
Subscription = Annotated[
    str | None, typer.Option("--subscription", help="All of this subscription.", metavar="SERVICE.TASK")
]
Collection = Annotated[str | None, typer.Option("--collection", "-c", help="All of this collection.", metavar="NAME")]
All = Annotated[bool, typer.Option("--all", help="A line for each, with its id.", show_default=False)]


@app.command("list")
def listing(
    ctx: typer.Context,
    *,
    code: Code = None,
    subscription: Subscription = None,
    collection: Collection = None,
    everything: All = False,
    as_json: AsJson = False,
) -> None:
    """What was given up and why, equal failures together; --all and --json show each by itself."""
    wanted = _fitting(code, subscription, collection)
    with connect(ctx) as api:
        if as_json or everything:
            rows = list(api.rows(api_path("dead"), **wanted))
            show_rows(rows, as_json=as_json, none="Nothing was given up.")
            return
        kinds = api.get(api_path("dead", "kinds"), wanted)
    show_rows(kinds["items"], as_json=False, none="Nothing was given up.")
    if n_more := kinds["n_kinds"] - len(kinds["items"]):
        of = counted(kinds["n_letters"], "dead letter")
        tell(f"{counted(n_more, 'rarer kind')} not shown, of {of} in all: --all")
    if kinds["items"]:
        tell("--all shows their ids. Once it is put right: earmark dead requeue --code CODE, or ID...")


@app.command("requeue")
def requeue(
    ctx: typer.Context,
    event_ids: EventIds = None,
    *,
    code: Code = None,
    subscription: Subscription = None,
    collection: Collection = None,
    as_json: AsJson = False,
) -> None:
    """Try again from the first attempt: what these ids name, or all that the options say."""
    _do(ctx, "requeue", _chosen(event_ids, _fitting(code, subscription, collection)), as_json=as_json)


@app.command("drop")
def drop(
    ctx: typer.Context,
    event_ids: EventIds = None,
    *,
    code: Code = None,
    subscription: Subscription = None,
    collection: Collection = None,
    as_json: AsJson = False,
) -> None:
    """Never do it: what these ids name, or all that the options say."""
    _do(ctx, "drop", _chosen(event_ids, _fitting(code, subscription, collection)), as_json=as_json)


def _fitting(code: str | None, subscription: str | None, collection: str | None) -> Document:
    """The part of a request that says what they have in common."""
    named = {"code": code, "subscription": subscription, "collection": collection}
    return {name: value for name, value in named.items() if value is not None}


def _chosen(event_ids: list[str] | None, fitting: Document) -> Document:
    """The part of a request that says which. Raises typer.BadParameter."""
    if bool(event_ids) == bool(fitting):
        raise typer.BadParameter("name either ids, or --code, --subscription, --collection")
    return {"event_ids": event_ids} if event_ids else fitting


def _do(ctx: typer.Context, deed: Deed, chosen: Document, *, as_json: bool) -> None:
    with connect(ctx) as api:
        done = _all_portions(api, deed, chosen)
    show_fields(done, as_json=as_json)
    if not any(done.values()):
        tell("No dead letter fits. Those that there are: earmark dead list")


def _all_portions(api: Client, deed: Deed, chosen: Document) -> Document:
    """The deed to all that were chosen, which may be more than one request takes; how many they were."""
    done, counts = 0, {"requeue": "requeued", "drop": "dropped"}[deed]
    n_wanted = len(chosen["event_ids"]) if "event_ids" in chosen else _n_letters(api, chosen)
    request: Document | None = chosen
    with CountBar(f"{deed} dead letters") as bar:
        while request is not None:
            # A key lets a request be sent again without harm when the connection broke.
            answer = api.post(api_path("dead", deed), request, patience_s=PATIENCE_S, key=str(uuid4()))
            done += answer[counts]
            bar.at(done, max(done, n_wanted))
            request = chosen | {"after": answer["next"]} if answer["next"] else None
    return {counts: done}


def _n_letters(api: Client, chosen: Document) -> int:
    return int(api.get(api_path("dead", "kinds"), chosen)["n_letters"])
