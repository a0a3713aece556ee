"""The frame around all commands."""

import subprocess
import sys

import pytest

from services.launcher.cli.client import api_path, is_loopback
from services.launcher.cli.main import run

HEAVY = ("httpx", "rich", "pydantic", "numpy", "sqlalchemy", "celery", "torch", "minio", "psutil", "platformdirs")


def test_help_loads_nothing_heavy() -> None:
    code = f"import sys; import services.launcher.cli.main; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("words", [["--help"], ["ingest", "--help"], ["labels", "-h"], ["--version"]])
def test_help_and_version_are_status_0(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 0
    assert capsys.readouterr().out


def test_no_words_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "Commands:" in "".join(capsys.readouterr())


def test_a_url_without_a_scheme_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--url", "localhost:1", "status"]) == 2
    assert "http://" in capsys.readouterr().err


def test_each_part_of_a_path_is_quoted() -> None:
    assert api_path("speakers", "A/B é", "rename") == "/v1/speakers/A%2FB%20%C3%A9/rename"


@pytest.mark.parametrize(
    ("url", "near"),
    [("http://127.0.0.2:80", True), ("http://localhost", True), ("http://[::1]:1", True), ("https://a.example", False)],
)
def test_loopback(url: str, near: bool) -> None:
    assert is_loopback(url) is near
