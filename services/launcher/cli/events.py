"""`earmark events`: what has happened, and what happens."""

import json
import time
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from services.launcher.cli.client import Client, Document, Parameters, api_path
from services.launcher.cli.failure import Failure
from services.launcher.cli.options import TABLE_ROWS, AsJson
from services.launcher.cli.output import print_document, print_line, say
from services.launcher.cli.session import connect
from services.launcher.cli.waiting import PATIENCE_S

Follow = Annotated[bool, typer.Option("--follow", "-f", help="Stay and print what comes, too.", show_default=False)]
FromStart = Annotated[bool, typer.Option("--from-start", help="Begin with the first event.", show_default=False)]
Newest = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", min=0, max=100_000, help="The newest N of what has happened."),
]
After = Annotated[str | None, typer.Option("--after", metavar="EVENT_ID", help="Begin after this event.")]
OnlyCollection = Annotated[str | None, typer.Option("--collection", "-c", metavar="NAME", help="Only of this one.")]
Types = Annotated[str | None, typer.Option("--types", metavar="T,...", help="Such as recording.registered.")]
_DEAD_S = 30.0  # the API writes a comment every ten seconds; after three times that the line is dead
_RECONNECT_PAUSE_S = 1.0


def events(
    ctx: typer.Context,
    *,
    follow: Follow = False,
    from_start: FromStart = False,
    limit: Newest = None,
    after: After = None,
    collection: OnlyCollection = None,
    types: Types = None,
    as_json: AsJson = False,
) -> None:
    """Print the newest 200 events, or others; with --follow go on until Ctrl-C, with --json one a line then."""
    if sum((from_start, limit is not None, after is not None)) > 1:
        raise typer.BadParameter("--from-start, --limit and --after exclude each other")
    newest = TABLE_ROWS if limit is None and not (from_start or after) else limit
    chosen = {"collection": collection, "types": types, "newest": newest, "begin": "start" if from_start else None}
    with connect(ctx) as api:
        if as_json and not follow:
            print_document(list(_so_far(api, chosen, after)))
            return
        for event in _for_ever(api, chosen, after) if follow else _so_far(api, chosen, after):
            if as_json:
                print_line(event)
            else:
                say(f"{event.get('time', '')}  {event.get('type', '')}  {event.get('subject', '')}")


def _so_far(api: Client, chosen: Parameters, after: str | None) -> Iterator[Document]:
    wanted = {**chosen, "follow": "false"}
    return parse_events(api.lines(api_path("events"), wanted, _resume(after), quiet_s=_DEAD_S))


def _for_ever(api: Client, chosen: Parameters, after: str | None) -> Iterator[Document]:
    """Takes up the thread where it was cut; gives up when the API stays away."""
    last, cut_at_s = after, time.monotonic() - PATIENCE_S
    while True:
        try:
            for event in parse_events(api.lines(api_path("events"), chosen, _resume(last), quiet_s=_DEAD_S)):
                last, cut_at_s = event.get("id", last), time.monotonic()
                yield event
            cut_at_s = time.monotonic()
        except Failure as failure:
            if failure.code not in {"no_answer", "not_running"} or time.monotonic() - cut_at_s > PATIENCE_S:
                raise
        time.sleep(_RECONNECT_PAUSE_S)


def parse_events(lines: Iterable[str]) -> Iterator[Document]:
    """The CloudEvents in a stream of server-sent events (WHATWG HTML, 9.2.6)."""
    parts: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            parts.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and parts:
            yield json.loads("\n".join(parts))
            parts = []


def _resume(after: str | None) -> dict[str, str]:
    return {"Last-Event-ID": after} if after else {}
