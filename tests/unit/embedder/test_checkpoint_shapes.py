"""The shapes of a torch checkpoint's tensors, without torch."""

import pickle
import subprocess
import sys
from collections import OrderedDict
from enum import Enum
from fractions import Fraction

import pytest
import torch
from torch import nn

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint, tensor_shapes


class Kind(Enum):
    VOICE = 1


class Trap:
    """Would run when it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise AssertionError('the checkpoint was run')",))


@pytest.fixture
def network():
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Conv1d(3, 2, 5, bias=False))


def shapes_of(network):
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def test_a_saved_state_has_its_shapes_in_order(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "state.ckpt")
    assert list(tensor_shapes(tmp_path / "state.ckpt").items()) == list(shapes_of(network).items())


def test_a_training_checkpoint_has_those_of_its_state(network, tmp_path):
    around = {
        "state_dict": network.state_dict(),
        "kind": Kind.VOICE,
        "step": Fraction(1, 3),
        "more": OrderedDict(a=[1]),
    }
    torch.save(around, tmp_path / "model.bin")
    assert tensor_shapes(tmp_path / "model.bin") == shapes_of(network)


def test_parameters_count_as_tensors(tmp_path):
    torch.save({"weight": nn.Parameter(torch.zeros(2, 7))}, tmp_path / "parameters.pt")
    assert tensor_shapes(tmp_path / "parameters.pt") == {"weight": (2, 7)}


def test_what_a_checkpoint_would_run_is_not_run(network, tmp_path):
    torch.save({"state_dict": network.state_dict(), "trap": Trap()}, tmp_path / "trap.bin")
    assert tensor_shapes(tmp_path / "trap.bin") == shapes_of(network)


@pytest.mark.parametrize("content", [b"", b"no archive", pickle.dumps({"a": 1})])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UnreadableCheckpoint) as caught:
        tensor_shapes(tmp_path / "file")
    assert caught.value.code == "unreadable_checkpoint"


def test_reading_shapes_loads_no_torch(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "state.ckpt")
    script = (
        "import sys; from services.embedder.encoders.checkpoint_shapes import tensor_shapes;"
        "from pathlib import Path; print(len(tensor_shapes(Path(sys.argv[1]))), 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "state.ckpt")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.split() == [str(len(shapes_of(network))), "False"]
