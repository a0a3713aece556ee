"""`earmark backfill`: an encoder's vectors for what a collection holds already."""

from typing import Annotated

import typer

from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.failure import Failure
from services.launcher.cli.options import WAIT_S, AsJson, Collection, Subset, Timeout, Wait
from services.launcher.cli.output import show_fields, tell
from services.launcher.cli.progress import CountBar
from services.launcher.cli.session import connect
from services.launcher.cli.troubles import Quiet, over, reasons, work_of
from services.launcher.cli.waiting import PATIENCE_S, wait_for_state

Encoder = Annotated[str, typer.Option("--encoder", help="An encoder's name.", metavar="E")]
Everything = Annotated[
    bool, typer.Option("--all", help="Also what has a vector already: replace it.", show_default=False)
]

_AGAIN = "Give the command again: it does what is missing."


def backfill(
    ctx: typer.Context,
    *,
    collection: Collection,
    encoder: Encoder,
    everything: Everything = False,
    subset: Subset = None,
    wait: Wait = False,
    timeout: Timeout = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Embed what a collection, or a subset of it, holds already.

    Interrupted, it goes on by itself; again, it does what is missing.
    """
    with connect(ctx) as api:
        body: Document = {"encoder": encoder, "everything": everything, "subset": subset}
        result = api.post(api_path("collections", collection, "backfills"), body)
        added = result["added"]
        if added:
            tell(f"From now on {encoder} also embeds what comes into {collection}.")
        if wait:
            result = run_backfill(api, result, timeout) | {"added": added}
    show_fields(result, as_json=as_json)


def run_backfill(api: Client, requested: Document, timeout_s: float) -> Document:
    """Follow a backfill to its end, with a bar. Raises Failure `timeout`."""
    path = api_path("backfills", requested["backfill_id"])
    return follow_embedding(api, path, requested, "done", timeout_s, "The backfill")


def follow_embedding(api: Client, path: str, requested: Document, ends: str, timeout_s: float, what: str) -> Document:
    """Ask a path how far it is, `done` of `wanted`, until its state is one of `ends`.

    Raises Failure `timeout`, with the reasons that are known, and what became of the work when nothing is left of it.
    """
    collection, quiet = requested["collection"], Quiet()
    with CountBar(f"embedding {collection} by {requested['encoder']}") as bar:

        def ask() -> Document:
            answer = api.get(path, patience_s=PATIENCE_S)
            bar.at(answer["done"], answer["wanted"])
            if quiet((answer["state"], answer["done"])) and (failure := over(work_of(api, collection), _AGAIN)):
                answer = api.get(path, patience_s=PATIENCE_S)  # which may have ended meanwhile
                if answer["state"] not in ends.split():
                    raise failure
            return answer

        try:
            return wait_for_state(ask, ends, timeout_s, what)
        except Failure as failure:
            if failure.code != "timeout":
                raise
            known = " ".join(reasons(work_of(api, collection)))
            raise Failure("timeout", f"{failure.message} {known}", failure.remedy) from failure
