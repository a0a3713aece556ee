"""Advice that names commands: those that there are, and that help."""

import pytest

from services.launcher.cli.main import run
from shared.storage.collections import UnknownCollection
from shared.storage.tokens import TokenNameTaken


def test_a_taken_name_of_a_token_is_revoked() -> None:
    assert "`earmark tokens revoke NAME`" in TokenNameTaken.remedy()


def test_whoever_misspells_a_collection_is_shown_those_that_there_are() -> None:
    assert UnknownCollection.remedy().startswith("`earmark collections list`")


@pytest.mark.parametrize("kind", ["recordings", "speakers"])
def test_the_help_says_that_json_does_not_ask_either(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([kind, "erase", "--help"]) == 0
    assert "neither does --json" in " ".join(capsys.readouterr().out.split())
