"""The options that several commands share, once."""

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.", show_default=False)]
Collection = Annotated[str, typer.Option("--collection", "-c", help="The collection.", metavar="NAME")]
Encoder = Annotated[str | None, typer.Option("--encoder", help="An encoder's name.", metavar="E")]
Encoders = Annotated[
    list[str] | None, typer.Option("--encoder", help="An encoder's name; may be given more than once.", metavar="E")
]
Segmenter = Annotated[str | None, typer.Option("--segmenter", help="A segmenter's name.", metavar="S")]
Subset = Annotated[str | None, typer.Option("--subset", help="Of the recordings of this subset only.", metavar="NAME")]
Limit = Annotated[int | None, typer.Option("--limit", help="So many rows at most.", min=1, metavar="N")]
Wait = Annotated[bool, typer.Option("--wait", help="Stay until it is done.", show_default=False)]
Timeout = Annotated[float, typer.Option("--timeout", help="Wait so many seconds at most.", min=0, metavar="S")]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where the stack keeps everything.", metavar="D", file_okay=False),
]

WAIT_S = 3600.0
"""What --wait waits unless told otherwise: long enough for work, short enough for a script that would hang."""

TABLE_ROWS = 200
"""What a table shows unless told otherwise; --json has no such limit."""


Speakers = Annotated[
    str | None,
    typer.Option("--speakers", help="How many speakers a recording has; else it is found out.", metavar="N|MIN-MAX"),
]


def settings_body(segmenter: str | None, encoders: list[str] | None, speakers: str | None = None) -> dict[str, object]:
    """The part of a request that names a collection's settings, as far as they were named."""
    named: dict[str, object] = {"segmenter": segmenter, "encoders": encoders or None, "speakers": speakers}
    return {name: value for name, value in named.items() if value is not None}
