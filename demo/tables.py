"""What the demo shows: the recordings on their way, and the segments before and after the label."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from services.launcher.cli.client import Document


def progress(items: Sequence[Document]) -> Table:
    """A line a file."""
    table = Table("recording", "status", "segments", box=SIMPLE_HEAD)
    for item in items:
        status = item["status"] if item["status"] != "pending" else item["state"] or "uploaded"
        table.add_row(item["object_key"], status, _number(item["segments"]))
    return table


def before_and_after(before: Sequence[Document], after: Sequence[Document], chosen: str, collection: str) -> Table:
    """A line a segment: who was known to speak in it, and who is now, and how we know."""
    earlier = {row["segment_id"]: row["speaker"] for row in before}
    table = Table("recording", "from", "to", "before", "after", "by", box=SIMPLE_HEAD)
    file = ""
    for row in after:
        name = row["object_key"].removeprefix(f"{collection}/")
        times = (f"{row['start_s']:.1f} s", f"{row['end_s']:.1f} s")
        was = earlier.get(row["segment_id"]) or "-"
        reason = "you, just now" if row["segment_id"] == chosen else row["assigned_by"] or ""
        table.add_row(name if name != file else "", *times, was, row["speaker"] or "-", reason)
        file = name
    return table


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
