"""Which weights a setting names, told without a model library."""

import importlib
import os
import subprocess
import sys

import pytest

from shared.checkpoints import HubCheckpoint, MissingLibrary, UnknownModel, checkpoint, library

COMMIT = "0f99f2d0ebe89ac095bcc5903c4dd8f72b367286"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model" / "part").mkdir(parents=True)
    (tmp_path / "model" / "weights.bin").write_bytes(b"weights")
    (tmp_path / "model" / "part" / "config.yaml").write_text("a: 1")
    return tmp_path / "model"


def identity(path):
    return checkpoint(str(path)).identity


def test_a_commit_of_a_hub_is_its_identity():
    found = checkpoint(f"someone/a-model.v2@{COMMIT}")
    assert found == HubCheckpoint("someone/a-model.v2", COMMIT)
    assert found.identity == "someone/a-model.v2@0f99f2d0ebe8"


@pytest.mark.parametrize("name", ["", "someone/model", "someone/model@main", f"model@{COMMIT}", "/no/such/folder"])
def test_what_is_neither_a_path_nor_a_commit_is_refused(name):
    with pytest.raises(UnknownModel) as caught:
        checkpoint(name)
    assert caught.value.code == "unknown_model"
    assert "OWNER/NAME@COMMIT" in caught.value.sentence()


def test_a_folder_is_what_its_files_hold(folder, tmp_path):
    before = identity(folder)
    assert before.startswith("sha256-")
    assert identity(folder.rename(tmp_path / "elsewhere")) == before


@pytest.mark.parametrize("name", ["weights.bin", "part/config.yaml", "part/new"])
def test_any_change_is_another_identity(folder, name):
    before = identity(folder)
    (folder / name).write_bytes(b"changed")
    assert identity(folder) != before


def test_a_file_that_moves_is_a_change(folder):
    before = identity(folder)
    (folder / "weights.bin").rename(folder / "part" / "weights.bin")
    assert identity(folder) != before


def test_a_change_of_the_same_length_and_time_of_day_is_seen(folder):
    before = identity(folder / "weights.bin")
    (folder / "weights.bin").write_bytes(b"WEIGHTS")
    os.utime(folder / "weights.bin", ns=(1, 1))
    assert identity(folder / "weights.bin") != before


def test_what_tools_keep_for_themselves_does_not_count(folder):
    before = identity(folder)
    (folder / ".cache").mkdir()
    (folder / ".cache" / "download.lock").touch()
    assert identity(folder) == before


@pytest.mark.parametrize("error", [ModuleNotFoundError("no module"), OSError("could not load this library")])
def test_a_library_that_does_not_load_is_named_by_its_extra(error):
    with pytest.raises(MissingLibrary, match=r"earmark\[ecapa\]") as caught, library("ecapa"):
        raise error
    assert caught.value.code == "missing_library"
    assert "earmark down && earmark up" in caught.value.remedy()
    assert "torchaudio" not in caught.value.sentence()


def test_a_torchaudio_that_does_not_load_is_told_where_there_is_another(tmp_path, monkeypatch):
    (tmp_path / "torchaudio").mkdir()
    (tmp_path / "torchaudio" / "__init__.py").write_text("raise OSError('libcudart.so.13')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    with pytest.raises(MissingLibrary, match=r"libcudart.* Take torchaudio from https://"), library("ecapa"):
        importlib.import_module("torchaudio")


def test_reading_an_identity_loads_no_library(folder):
    script = (
        "import sys; from shared.checkpoints import checkpoint;"
        f"checkpoint({str(folder)!r}).identity; checkpoint('a/b@{COMMIT}').identity;"
        "print([name for name in ('torch', 'huggingface_hub', 'numpy') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert printed.strip() == "[]"


_AWAY = """
from shared.checkpoints import MissingModel, checkpoint, pinned
commit = "someone/model@" + "0" * 40
for ask in (lambda: pinned("someone/model"), lambda: checkpoint(commit).fetched()):
    try:
        ask()
    except MissingModel as error:
        print(error.code)
print(checkpoint(commit).absence())
"""


def test_a_hub_out_of_reach_is_a_missing_model_at_once(tmp_path):
    """Whichever HTTP library the hub's client uses by now; it tries for half a minute if it is left to itself."""
    away = {"HF_ENDPOINT": "http://127.0.0.1:1", "HF_HOME": str(tmp_path)}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")} | away
    done = subprocess.run(
        [sys.executable, "-c", _AWAY], env=environment, check=True, capture_output=True, text=True, timeout=20
    )
    assert done.stdout.splitlines()[:2] == ["missing_model", "missing_model"]
    assert "someone/model@000000000000 was not fetched yet" in done.stdout
