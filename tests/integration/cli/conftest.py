"""The command, run in this process against a double of the API."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from services.launcher.cli.main import run
from tests.integration.cli.api_double import TOKEN, serve
from tests.integration.cli.api_script import Script


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


Earmark = Callable[..., Result]


@pytest.fixture
def api() -> Iterator[Script]:
    script, stop = serve()
    yield script
    stop()


@pytest.fixture
def earmark(api: Script, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Earmark:
    """Runs `earmark ...` against the double."""
    monkeypatch.setenv("EARMARK_URL", api.url)
    monkeypatch.setenv("EARMARK_TOKEN", TOKEN)

    def call(*words: object) -> Result:
        status = run([str(word) for word in words])
        out, err = capfd.readouterr()
        return Result(status, out, err)

    return call
