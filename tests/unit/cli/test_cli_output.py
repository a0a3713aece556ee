"""What goes to stdout and what goes to stderr."""

import json

import pytest

from services.launcher.cli.failure import Failure
from services.launcher.cli.output import print_document, show_failure, show_fields, show_rows


def test_a_document_is_utf_8_json(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    print_document({"name": "größe", "broken": "\udcff"})
    out = capfdbinary.readouterr().out
    assert "größe".encode() in out
    assert json.loads(out) == {"name": "größe", "broken": "\udcff"}


def test_nothing_to_show_is_told_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows([], as_json=False, none="No clusters yet.")
    assert capsys.readouterr() == ("", "No clusters yet.\n")


def test_names_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows([{"speaker": "[bold]Ann[/]", "ids": ["[a]"], "note": None}], as_json=False)
    out = capsys.readouterr().out
    assert "[bold]Ann[/]" in out
    assert "[a]" in out


def test_fields_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show_fields({"generation": 3, "counts": {"[a]": 1, "b": 0.25}, "done": True}, as_json=False)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["generation", "3"],
        ["counts", "[a]", "1,", "b", "0.25"],
        ["done", "yes"],
    ]


def test_a_failure_without_remedy_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    show_failure(Failure("x", "It broke [red]."), as_json=False)
    assert capsys.readouterr() == ("", "error (x): It broke [red].\n")
