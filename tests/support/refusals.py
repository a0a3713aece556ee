"""Checkpoints that a family must refuse, out of one that it takes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from shared.checkpoints import LocalCheckpoint, MissingModel
from shared.encoders.families import Family


def changed(folder: Path, target: Path, name: str = "config.json", **settings: Any) -> Path:
    """A copy with other settings in one of its files of JSON, and all else as it was."""
    shutil.copytree(folder, target)
    content = json.loads((target / name).read_text()) | settings
    (target / name).write_text(json.dumps(content))
    return target


def assert_other_kinds_are_refused(
    family: Family, folder: Path, tmp_path: Path, message: str, kind: str = "gpt2"
) -> None:
    """A network of another kind is named beside those that the family takes."""
    with pytest.raises(UnreadableCheckpoint, match=message):
        family.card(LocalCheckpoint(changed(folder, tmp_path / "other", model_type=kind)))


def assert_weights_are_missed(family: Family, folder: Path, tmp_path: Path) -> None:
    """A folder without weights has no space."""
    without = tmp_path / "without"
    shutil.copytree(folder, without, ignore=shutil.ignore_patterns("*.safetensors"))
    with pytest.raises(MissingModel, match="no weights"):
        family.card(LocalCheckpoint(without))
