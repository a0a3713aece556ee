"""A definition becomes a pinned model and its space, or a reason that helps."""

from pathlib import Path

import pytest

from services.embedder.catalogue import resolve
from shared.checkpoints import LocalCheckpoint, MissingLibrary, MissingModel
from shared.encoders import family_registry
from shared.storage.definitions import Definition


def test_an_empty_folder_is_a_model_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    with pytest.raises(MissingModel, match="nothing in"):
        resolve(Definition("words", "roberta", str(tmp_path)))


def test_a_single_file_of_whisper_wants_another_library_than_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.pt").touch()
    whisper = family_registry.family("whisper")
    assert list(whisper.extras) == ["transformers", "whisper"]
    monkeypatch.setattr(family_registry, "installed", lambda _names: False)
    for path, extra in ((tmp_path, "transformers"), (tmp_path / "tiny.pt", "whisper")):
        with pytest.raises(MissingLibrary, match=rf"pip install 'earmark\[{extra}\]'"):
            family_registry.check_library(whisper, LocalCheckpoint(path))
