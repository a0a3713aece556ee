"""The spaces of encoders whose weights are a setting, read without their libraries."""

import json
import os
import subprocess
import sys

import pytest
import torch

from services.embedder.encoders import ecapa, pyannote
from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from shared.checkpoints import HubCheckpoint, UnknownModel
from shared.encoders.protocol import EncoderPlugin
from shared.settings import EmbedderSettings

MODULES = {"ecapa": ecapa, "pyannote": pyannote}
HEAVY = ("torch", "torchaudio", "speechbrain", "pyannote", "huggingface_hub", "lightning")


def ecapa_state(folder, dimension):
    folder.mkdir()
    torch.save({"fc.conv.weight": torch.ones(dimension, 8, 1)}, folder / "embedding_model.ckpt")
    return folder


def pyannote_state(folder, dimension):
    folder.mkdir()
    state = {"resnet.conv1.weight": torch.ones(4, 1, 3, 3), "resnet.seg_1.weight": torch.ones(dimension, 8)}
    torch.save({"state_dict": state}, folder / "pytorch_model.bin")
    return folder


def default_model(name):
    return getattr(EmbedderSettings(), f"{name}_model")


STATES = {"ecapa": ecapa_state, "pyannote": pyannote_state}


@pytest.mark.parametrize(("name", "dimension"), [("ecapa", 192), ("pyannote", 256)])
def test_the_published_weights_are_pinned_to_a_commit(name, dimension):
    spec = MODULES[name].plugin_of(default_model(name)).spec
    repo, commit = default_model(name).split("@")
    assert (spec.name, spec.dimension, spec.revision) == (name, dimension, f"{repo}@{commit[:12]}-1")


@pytest.mark.parametrize("name", STATES)
def test_weights_of_ones_own_have_their_own_space_and_dimension(name, tmp_path):
    first, second = (STATES[name](tmp_path / str(dimension), dimension) for dimension in (20, 30))
    specs = [MODULES[name].plugin_of(str(folder)).spec for folder in (first, second)]
    assert [spec.dimension for spec in specs] == [20, 30]
    assert specs[0].space != specs[1].space


@pytest.mark.parametrize("name", MODULES)
def test_another_commit_is_another_space(name):
    spec = MODULES[name].spec_of(HubCheckpoint("someone/else", "0" * 40))
    assert spec.space != MODULES[name].plugin_of(default_model(name)).spec.space


@pytest.mark.parametrize("name", MODULES)
def test_the_setting_decides_and_is_read_when_asked(name, tmp_path, monkeypatch):
    folder = STATES[name](tmp_path / "own", 20)
    monkeypatch.setenv(f"EARMARK_EMBEDDER__{name.upper()}_MODEL", str(folder))
    assert isinstance(MODULES[name].plugin, EncoderPlugin)
    assert MODULES[name].plugin.spec.dimension == 20
    monkeypatch.delenv(f"EARMARK_EMBEDDER__{name.upper()}_MODEL")
    assert MODULES[name].plugin.spec.dimension != 20


@pytest.mark.parametrize("name", MODULES)
def test_a_model_that_is_not_there_is_refused_with_a_remedy(name):
    with pytest.raises(UnknownModel, match="no 'someone/model'"):
        MODULES[name].plugin_of("someone/model")


@pytest.mark.parametrize("name", MODULES)
def test_a_folder_of_something_else_is_refused(name, tmp_path):
    with pytest.raises(UnreadableCheckpoint):
        MODULES[name].plugin_of(str(tmp_path))


@pytest.mark.parametrize("name", MODULES)
def test_a_module_has_nothing_else_to_give(name):
    with pytest.raises(AttributeError, match="plug_in"):
        MODULES[name].plug_in  # noqa: B018  # the asking is the test


@pytest.mark.parametrize("name", MODULES)
def test_reading_a_plugin_loads_nothing_heavy(name):
    script = (
        f"import sys, json; from services.embedder.encoders import {name} as module; module.plugin.spec;"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("EARMARK_")}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert json.loads(done.stdout) == []


BUILD_WITHOUT_A_HUB = """
import sys
from services.embedder.encoders import {name} as module
from shared.encoders.protocol import EncoderOptions
from shared.errors import PermanentError
try:
    module.plugin.build(EncoderOptions(device="cpu"))
except PermanentError as error:
    print(error.code)
"""


@pytest.mark.parametrize("name", MODULES)
def test_building_without_weights_or_library_is_an_error_with_a_code(name, tmp_path):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("EARMARK_")}
    environment |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-c", BUILD_WITHOUT_A_HUB.format(name=name)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert done.stdout.split() in (["missing_model"], ["missing_library"])
