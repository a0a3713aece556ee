"""`earmark pause` and `earmark resume`: let a collection, or a stage of the work, rest for a while."""

from datetime import datetime
from typing import Annotated

import typer

from services.launcher.cli.client import Document, api_path
from services.launcher.cli.options import AsJson
from services.launcher.cli.output import print_document, say, show_rows, tell
from services.launcher.cli.session import connect

MaybeCollection = Annotated[
    str | None, typer.Option("--collection", "-c", help="All work on this collection.", metavar="NAME")
]
Stage = Annotated[
    str | None,
    typer.Option(
        "--stage",
        help="ingest, embedder or clusterer, or one of the stages that `earmark status` lists, such as embedder.embed.",
        metavar="STAGE",
    ),
]


def pause(
    ctx: typer.Context, *, collection: MaybeCollection = None, stage: Stage = None, as_json: AsJson = False
) -> None:
    """Start no more work on a collection, or of a stage; what is in work ends. Without either: what is paused."""
    with connect(ctx) as api:
        if collection is None and stage is None:
            show_rows(api.items(api_path("pauses")), as_json=as_json, none="Nothing is paused.")
            return
        paused = api.post(api_path("pauses"), _named(collection, stage))
    if as_json:
        print_document(paused)
    else:
        say(f"{sentence(paused)} New files and labels are taken and wait.")


def resume(
    ctx: typer.Context, *, collection: MaybeCollection = None, stage: Stage = None, as_json: AsJson = False
) -> None:
    """Go on with what was paused, where it stopped."""
    with connect(ctx) as api:
        answer = api.post(api_path("pauses", "resume"), _named(collection, stage))
    if as_json:
        print_document(answer)
    else:
        _say_resumed(str(collection or stage), answer)


def _say_resumed(name: str, answer: Document) -> None:
    """What was not paused may rest all the same, and what was may still: because of another pause."""
    holding = answer.get("held_by", [])  # an older console does not say
    whole = [one for one in holding if name.startswith(f"{one['name']}.")]
    for one in whole:
        rests = "still rests" if answer["resumed"] else "was not paused itself, it rests"
        say(f"{name} {rests} because {one['name']} is paused: {_way_back(one)}")
    if not whole:
        say(f"{name} {'goes on' if answer['resumed'] else 'was not paused'}.")
    for one in holding:
        if one not in whole:
            tell(f"A part of it rests: {sentence(one)}")


def sentence(pause: Document) -> str:
    """What is paused, since when, by whom, and the way back."""
    at = datetime.fromisoformat(pause["paused_at"]).astimezone()
    since = f"{at:%Y-%m-%d %H:%M:%S}"
    is_paused = f"{pause['kind']} {pause['name']} is paused since {since} by {pause['paused_by']}"
    return f"{is_paused}; {_way_back(pause)} lets it go on."


def _way_back(pause: Document) -> str:
    option = "-c" if pause["kind"] == "collection" else "--stage"
    return f"earmark resume {option} {pause['name']}"


def _named(collection: str | None, stage: str | None) -> Document:
    return {"collection": collection} if stage is None else {"collection": collection, "stage": stage}
