"""How a receipt of an erasure is shown to a person: a line for each count of what was erased, and for each key."""

from collections.abc import Mapping

from services.launcher.cli.client import Document
from services.launcher.cli.output import show_fields


def show_receipt(receipt: Document, *, as_json: bool) -> None:
    """The document itself, or its fields without the counts of what there was none of."""
    show_fields(receipt if as_json else {name: _in_lines(value) for name, value in receipt.items()}, as_json=as_json)


def _in_lines(value: object) -> object:
    match value:
        case Mapping():
            return "\n".join(f"{n} {what}" for what, n in value.items() if n) or None
        case list():
            return "\n".join(value) or None
        case _:
            return value
