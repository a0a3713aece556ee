"""Spans of time on the command line."""

from datetime import timedelta

import pytest
import typer

from services.launcher.cli.spans import span


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        (" 12H ", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        ("1.5w", timedelta(days=10.5)),
        ("5200w", timedelta(weeks=5200)),
    ],
)
def test_a_span_is_a_number_and_a_unit(text: str, meant: timedelta) -> None:
    assert span(text) == meant


@pytest.mark.parametrize("text", ["", "30", "d", "30 d", "-1d", "1e9d", "30dd", "9999999w", "999999w", "5219w"])
def test_anything_else_is_no_span(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        span(text)
