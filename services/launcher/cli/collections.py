"""`earmark collections`: bucket prefixes with their segmenter and encoders."""

from typing import Annotated

import typer

from services.launcher.cli.client import Document, api_path
from services.launcher.cli.options import AsJson, Encoders, Segmenter, Speakers, settings_body
from services.launcher.cli.output import print_document, say, show_fields, show_rows
from services.launcher.cli.session import connect
from services.launcher.cli.troubles import tell_encoders, why
from shared.wording import counted

app = typer.Typer(no_args_is_help=True, help="Collections: a bucket prefix, its segmenter and its encoders.")
Name = Annotated[str, typer.Argument(metavar="NAME")]


@app.command("create")
def create(
    ctx: typer.Context,
    name: Name,
    *,
    segmenter: Segmenter = None,
    encoder: Encoders = None,
    speakers: Speakers = None,
    as_json: AsJson = False,
) -> None:
    """Create a collection; one that stands with the same settings is left as it is."""
    body: Document = {"name": name, **settings_body(segmenter, encoder, speakers)}
    with connect(ctx) as api:
        made = api.post(api_path("collections"), body)
        tell_encoders(api, name)
    show_fields(made, as_json=as_json)


@app.command("list")
def listing(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """All collections."""
    with connect(ctx) as api:
        show_rows(api.items(api_path("collections")), as_json=as_json, none="No collections yet.")


@app.command("drop-encoder")
def drop_encoder(
    ctx: typer.Context,
    name: Name,
    encoder: Annotated[str, typer.Argument(metavar="ENCODER")],
    *,
    purge: Annotated[
        bool,
        typer.Option(
            "--purge",
            help="Delete its vectors, frames, clusters and scores of the collection, for good: a switch to it or from "
            "it cannot be taken back then.",
            show_default=False,
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let what comes do without an encoder, as when its weights are gone; what it has made stays, unless purged."""
    with connect(ctx) as api:
        dropped = api.delete(api_path("collections", name, "encoders", encoder), {"purge": "true"} if purge else {})
    if as_json:
        print_document(dropped)
        return
    say(f"{name} does without {encoder}, and has {', '.join(dropped['encoders'])}")
    if purge:
        say(f"{counted(dropped['purged'], 'vector')} of {encoder} deleted")
    if dropped["ready"]:
        say(f"Ready now, since they waited for nothing else: {counted(dropped['ready'], 'recording')}")


@app.command("set")
def change(
    ctx: typer.Context,
    name: Name,
    *,
    weight: Annotated[
        int,
        typer.Option(
            "--weight", min=1, max=100, help="Turns beside other collections that have work to do.", metavar="N"
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Change how a collection is worked on from now on."""
    with connect(ctx) as api:
        show_fields(api.patch(api_path("collections", name), {"weight": weight}), as_json=as_json)


@app.command("show")
def show(ctx: typer.Context, name: Name, *, as_json: AsJson = False) -> None:
    """One collection: how it is worked on, and how far it is named."""
    with connect(ctx) as api:
        shown = api.get(api_path("collections", name))
        naming = api.get(api_path("collections", name, "naming"))
    if not as_json:
        shown["troubles"] = [f"{one['encoder']} ({one['state']}): {why(one)}" for one in shown["troubles"]]
        naming["speakers"] = ", ".join(f"{heard['name']} {heard['segments']}" for heard in naming["speakers"])
    show_fields({**shown, "naming": naming}, as_json=as_json)
