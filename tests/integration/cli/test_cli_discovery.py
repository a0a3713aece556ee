"""A command without --url and --token finds the stack that runs here."""

import json
import os
from pathlib import Path

import pytest

from services.launcher.cli.discovery import default_data_dir
from services.launcher.stack.layout import layout_of
from tests.integration.cli.api_double import TOKEN
from tests.integration.cli.api_script import Script
from tests.integration.cli.conftest import Earmark


@pytest.fixture
def data_dir(api: Script, earmark: Earmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory whose stack is the double."""
    assert earmark
    state = {"url": api.url, "token": TOKEN, "database_url": "postgresql://nowhere", "pid": os.getpid()}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "stack.json").write_text(json.dumps(state))
    monkeypatch.setenv("EARMARK_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("EARMARK_URL")
    monkeypatch.delenv("EARMARK_TOKEN")
    return tmp_path


def test_the_running_stack_is_found_by_itself(data_dir: Path, earmark: Earmark) -> None:
    assert data_dir
    assert earmark("status").status == 0


def test_the_local_token_goes_to_the_local_stack_only(data_dir: Path, api: Script, earmark: Earmark) -> None:
    assert data_dir
    assert earmark("--url", api.url, "status").status == 0
    other_name = api.url.replace("127.0.0.1", "localhost")
    assert earmark("--url", other_name, "status", "--json").document["error"]["code"] == "unauthorized"


def test_the_state_of_a_dead_stack_is_no_stack(data_dir: Path, earmark: Earmark) -> None:
    file = data_dir / "run" / "stack.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "pid": 2**22 + 1}))
    assert earmark("status", "--json").document["error"]["code"] == "not_running"


@pytest.mark.parametrize("written", ["", "[]", "{}", '{"url": 1}'])
def test_a_broken_state_file_is_no_stack(data_dir: Path, earmark: Earmark, written: str) -> None:
    (data_dir / "run" / "stack.json").write_text(written)
    assert earmark("status").status == 1


def test_client_and_launcher_agree_on_the_default_data_dir(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EARMARK_DATA_DIR", raising=False)
    assert default_data_dir() == layout_of(None).data_dir
    monkeypatch.setenv("EARMARK_DATA_DIR", "~/somewhere")
    assert default_data_dir() == layout_of(None).data_dir
