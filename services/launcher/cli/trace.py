"""`earmark trace`: what followed from an upload or a call, how long each step waited and took, what is still open."""

from collections.abc import Iterator
from typing import Annotated

import typer

from services.launcher.cli.client import Document, api_path
from services.launcher.cli.options import AsJson
from services.launcher.cli.output import print_document, say, show_rows, tell
from services.launcher.cli.session import connect

Of = Annotated[
    str,
    typer.Argument(
        metavar="ID|KEY", help="An object's key, or the id of a chain, event, recording, segment or label.",
        show_default=False,
    ),
]  # fmt: skip
_COLUMNS = ("at", "event", "about", "waited_s", "worked_s", "attempt")


def trace(ctx: typer.Context, of: Of, *, as_json: AsJson = False) -> None:
    """Follow a file from its upload to its names, or a label to everything that it named."""
    with connect(ctx) as api:
        chain = api.get(api_path("trace"), {"of": of})
    if as_json:
        print_document(chain)
        return
    say(f"Chain {chain['correlation_id']}")
    show_rows([row for step in chain["steps"] for row in _rows(step)], _COLUMNS, as_json=False)
    for link in chain["links"]:
        tell(f"See also: earmark trace {link['correlation_id']}   {short(link['type'])} {link['subject']}")


def _rows(step: Document) -> Iterator[Document]:
    """The event, and under it who has not dealt with it yet."""
    times = {name: step[name] for name in ("waited_s", "worked_s", "attempt")}
    about = f"{step['subject']} ({step['code']})" if step["code"] else step["subject"]
    yield {"at": step["occurred_at"], "event": short(step["type"]), "about": about, **times}
    for one in step["open"]:
        why = f" ({one['error_code']})" if one["error_code"] else ""
        rests = f" (paused: {one['paused']})" if one.get("paused") else ""  # an older console does not say
        state = f"{one['state']}{why}{rests}"
        yield {
            "event": f"  {one['subscription']}",
            "about": state,
            "waited_s": one["age_s"],
            "attempt": one["attempt"],
        }


def short(event_type: str) -> str:
    """`recording.registered` of `io.earmark.recording.registered.v1`."""
    return event_type.removeprefix("io.earmark.").rpartition(".v")[0]
