"""docs/settings.md has a row for every setting, with the default that the code has."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from services.launcher.stack.services import Sizes
from shared.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
ROW = re.compile(r"^\| `(EARMARK_\w+)` \| ([^|]+) \| (unset|`[^`]+`) \| ([^|]+) \|$", re.MULTILINE)
UNITS = {"_s": "seconds", "_bytes": "bytes"}


def rows() -> dict[str, re.Match[str]]:
    found = list(ROW.finditer(PAGE.read_text()))
    by_name = {row[1]: row for row in found}
    assert len(by_name) == len(found), "a setting has two rows"
    return by_name


def settings(model: BaseModel, prefix: str) -> Iterator[tuple[str, Any]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from settings(value, f"{prefix}{name.upper()}__")
        else:
            yield f"{prefix}{name.upper()}", value.get_secret_value() if isinstance(value, SecretStr) else value


@pytest.fixture
def defaults(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Every setting with its default, in the order of the code."""
    forget_environment(monkeypatch)
    return dict(settings(Settings(), "EARMARK_")) | dict(settings(Sizes(), "EARMARK_STACK__"))


def forget_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("EARMARK_")]:
        monkeypatch.delenv(name)


def test_every_setting_has_a_row_in_the_order_of_the_code(defaults: dict[str, Any]):
    assert list(rows()) == list(defaults)


def test_a_default_in_the_table_is_the_default_of_the_code(defaults: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    """Each default is put into the environment: what is read from there must be what stood without it."""
    stated = {name: row[3].strip("`") for name, row in rows().items() if row[3] != "unset"}
    for name, text in stated.items():
        monkeypatch.setenv(name, text)
    read = dict(settings(Settings(), "EARMARK_")) | dict(settings(Sizes.of(stated), "EARMARK_STACK__"))
    assert {name: read[name] for name in stated} == {name: defaults[name] for name in stated}


def test_what_the_table_calls_unset_is_empty(defaults: dict[str, Any]):
    unset = {name for name, row in rows().items() if row[3] == "unset"}
    assert unset == {name for name, value in defaults.items() if value is None or value == ""}


def test_a_unit_in_a_name_is_the_unit_in_its_row():
    for name, row in rows().items():
        for suffix, unit in UNITS.items():
            if name.lower().endswith(suffix):
                assert row[2].startswith(unit), name


def test_the_defaults_of_the_contract():
    """contracts: segmenter `vad`, encoder `ge2e`, buckets `audio` and `derived`."""
    stated = {name: row[3].strip("`") for name, row in rows().items()}
    assert stated["EARMARK_INGEST__DEFAULT_SEGMENTER"] == "vad"
    assert json.loads(stated["EARMARK_EMBEDDER__DEFAULT_ENCODERS"]) == ["ge2e"]
    assert stated["EARMARK_S3__AUDIO_BUCKET"] == "audio"
    assert stated["EARMARK_S3__DERIVED_BUCKET"] == "derived"
