"""What a command prints: a table for people or one JSON document on stdout; all else goes to stderr."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from services.launcher.cli.failure import Failure

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Row = Mapping[str, object]

_PIPE_WIDTH = 10_000
"""Columns, where stdout is no terminal: a cut id is of no use to whoever reads the pipe."""


def print_document(document: object) -> None:
    """One JSON document on stdout, in UTF-8 whatever the locale says."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    sys.stdout.flush()
    # A file name that is not UTF-8 carries lone surrogates; written as \udcff they are still JSON.
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def print_line(document: object) -> None:
    """One JSON document on one line, at once: for streams."""
    binary = sys.stdout.buffer
    binary.write(json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
    binary.flush()


def show_rows(rows: Sequence[Row], columns: Sequence[str] = (), *, as_json: bool, none: str = "Nothing yet.") -> None:
    """All rows as a JSON list, or as a table of these columns (of all that the first row has, if none are named)."""
    if as_json:
        print_document(list(rows))
    elif rows:
        _print_table(rows, columns or tuple(rows[0]))
    else:
        tell(none)


def show_fields(document: Mapping[str, object], *, as_json: bool) -> None:
    """One thing: the document itself, or a line for each of its fields."""
    if as_json:
        print_document(document)
        return
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _flat(document):
        table.add_row(name, _cell(value))
    _print(table)


def say(message: str) -> None:
    """The outcome of a command, for a person, on stdout."""
    console(sys.stdout).print(message, markup=False, highlight=False, soft_wrap=True)


def tell(message: str, style: str = "") -> None:
    """A remark beside the outcome, on stderr."""
    console(sys.stderr).print(message, style=style, markup=False, highlight=False, soft_wrap=True)


def show_failure(failure: Failure, *, as_json: bool) -> None:
    """One red line with the code, and the remedy under it; with --json the document that the API would have sent."""
    if as_json:
        print_document(failure.document())
        return
    tell(f"error ({failure.code}): {failure.message}", "red")
    if failure.remedy and failure.remedy != failure.message:
        tell(failure.remedy)


def console(stream: TextIO) -> "Console":
    """A rich console that cuts nothing where nobody looks at it."""
    from rich.console import Console

    return Console(file=stream, width=None if stream.isatty() else _PIPE_WIDTH, emoji=False)


def _print_table(rows: Iterable[Row], columns: Sequence[str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        # Ids are for copying: one that a line break cuts in two is no use.
        table.add_column(column, overflow="fold", no_wrap=column.endswith("_id"))
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    _print(table)


def _print(table: "Table") -> None:
    """Without the blanks that fill its last column."""
    screen = console(sys.stdout)
    with screen.capture() as captured:
        screen.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines() if line.strip())


def _flat(document: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """A line for each thing in a thing."""
    for name, value in document.items():
        if isinstance(value, dict) and any(isinstance(part, dict) for part in value.values()):
            yield from ((f"{name} {inner}", part) for inner, part in value.items())
        else:
            yield name, value


def _cell(value: object) -> str:
    from rich.markup import escape

    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3f}".rstrip("0").rstrip(".")
        case dict():
            return escape(", ".join(f"{name} {_cell(part)}" for name, part in value.items())) or "-"
        case list():
            return escape(", ".join(str(part) for part in value)) or "-"
        case _:
            return escape(str(value))
