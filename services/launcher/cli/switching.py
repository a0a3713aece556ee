"""`earmark collections switch`: let another encoder name a collection."""

from typing import Annotated

import typer

from services.launcher.cli.backfill import follow_embedding
from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.failure import Failure
from services.launcher.cli.options import WAIT_S, AsJson, Collection, Timeout, Wait
from services.launcher.cli.output import print_document, say
from services.launcher.cli.session import connect
from shared.wording import counted

Encoder = Annotated[str, typer.Option("--encoder", help="The encoder that shall name.", metavar="E")]
_ENDS = "done failed superseded"


def switch(
    ctx: typer.Context,
    *,
    collection: Collection,
    encoder: Encoder,
    wait: Wait = False,
    timeout: Timeout = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Let another encoder name a collection: its vectors first, then its clusters and names, at once.

    Until then names go on as before. Interrupted, it goes on by itself; again, it is the same switch.
    """
    with connect(ctx) as api:
        result = api.post(api_path("collections", collection, "switches"), {"encoder": encoder})
        if wait:
            result = _followed(api, result, timeout)
    if as_json:
        print_document(result)
        return
    _tell(result)


def _followed(api: Client, asked: Document, timeout_s: float) -> Document:
    """Raises Failure `timeout`, and the switch's own."""
    done = follow_embedding(api, api_path("switches", asked["switch_id"]), asked, _ENDS, timeout_s, "The switch")
    if done["state"] == "failed":
        raise Failure(done["code"], done["reason"])
    if done["state"] == "superseded":
        raise Failure("superseded", "Another switch of the collection was asked for meanwhile.", "Ask for this again.")
    return done


def _tell(result: Document) -> None:
    if result["state"] != "done":
        say(f"{result['encoder']} will name {result['collection']} once all is embedded and clustered.")
        say("To see how far it is, or wait for it: the same command with --wait.")
        return
    say(f"{result['encoder']} names {result['collection']} now; before, {result['before']} did.")
    say(f"{counted(result['changed'], 'segment')} changed.")
    say(f"To reverse this: earmark labels undo {result['label_id']}")
