"""A definition becomes a pinned model and its space, or a reason that helps."""

from pathlib import Path

import pytest

from services.embedder.catalogue import resolve
from shared.checkpoints import MissingModel
from shared.storage.definitions import Definition


def test_an_empty_folder_is_a_model_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    with pytest.raises(MissingModel, match="nothing in"):
        resolve(Definition("words", "roberta", str(tmp_path)))
