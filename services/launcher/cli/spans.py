"""Spans of time as people write them: 90s, 15m, 12h, 30d, 6w."""

import re
from datetime import timedelta
from typing import Final

import typer

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)([smhdw])")
_LONGEST: Final = timedelta(weeks=5218)  # from now, times have four digits a year


def span(text: str) -> timedelta:
    """Raises BadParameter."""
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no span of time; 90s, 15m, 12h, 30d and 6w are.")
    meant = timedelta(**{_UNITS[found[2]]: float(found[1])})
    if meant > _LONGEST:
        raise typer.BadParameter(f"{text!r} is more than a hundred years.")
    return meant
