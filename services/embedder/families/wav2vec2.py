"""wav2vec 2.0 and its kin (HuBERT, WavLM, data2vec, UniSpeech) by transformers; nothing heavy loads before `load`."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from services.embedder.families.library_family import LibraryFamily
from services.embedder.families.transformers_files import config_of, extractor_of, named
from shared.checkpoints import Checkpoint
from shared.encoders.families import Card, Model
from shared.encoders.protocol import EncoderOptions
from shared.units import seconds

_KINDS: Final = ("wav2vec2", "hubert", "wavlm", "data2vec-audio", "unispeech", "unispeech-sat")
_REVISION: Final = 1  # of the code here and in `wav2vec2_torch`, where it decides a vector's value

MODELS: Final = {
    "base": "facebook/wav2vec2-base",
    "base-960h": "facebook/wav2vec2-base-960h",
    "large": "facebook/wav2vec2-large",
    "large-960h": "facebook/wav2vec2-large-960h",
    "large-960h-lv60": "facebook/wav2vec2-large-960h-lv60-self",
    "xls-r-300m": "facebook/wav2vec2-xls-r-300m",
    "hubert-base": "facebook/hubert-base-ls960",
    "hubert-large": "facebook/hubert-large-ll60k",
    "wavlm-base": "microsoft/wavlm-base",
    "wavlm-base-plus": "microsoft/wavlm-base-plus",
    "wavlm-large": "microsoft/wavlm-large",
    "data2vec-base": "facebook/data2vec-audio-base",
}


def configuration(checkpoint: Checkpoint) -> dict[str, Any]:
    """Of a model of this family. Raises UnreadableCheckpoint for others, and for those with adapters."""
    config = config_of(checkpoint, *_KINDS)
    if config.get("add_adapter") or config.get("adapter_attn_dim"):
        raise UnreadableCheckpoint(f"{named(checkpoint)} is a model with adapters, which are not supported.")
    return config


def card(checkpoint: Checkpoint) -> Card:
    """Layers `cnn`, `projection`, `encoder.0` to `encoder.N`, `encoder`; see docs/encoders.md for where each is taken.

    Raises UnreadableCheckpoint, MissingModel.
    """
    config = configuration(checkpoint)
    rate_hz = int(extractor_of(checkpoint)["sampling_rate"])
    hidden = config["hidden_size"]
    blocks = {f"encoder.{n}": hidden for n in range(config["num_hidden_layers"] + 1)}
    return Card(
        identity=f"{checkpoint.identity}-{_REVISION}",
        modality="audio",
        sample_rate_hz=rate_hz,
        layers={"cnn": config["conv_dim"][-1], "projection": hidden, **blocks, "encoder": hidden},
        default_layer="encoder",
        min_duration_s=seconds(min_samples(config), rate_hz),
    )


def min_samples(config: Mapping[str, Any]) -> int:
    """What the convolutions need for one frame: 400 samples, 25 ms, in every published model."""
    n_samples = 1
    for kernel, stride in zip(reversed(config["conv_kernel"]), reversed(config["conv_stride"]), strict=True):
        n_samples = (n_samples - 1) * stride + kernel
    return int(n_samples)


def n_frames(config: Mapping[str, Any], n_samples: int, *, n_convolutions: int | None = None) -> int:
    """What so many samples make after the first so many convolutions, or after all of them."""
    convolutions = zip(config["conv_kernel"], config["conv_stride"], strict=True)
    for kernel, stride in islice(convolutions, n_convolutions):
        n_samples = (n_samples - kernel) // stride + 1
    return n_samples


def _load(checkpoint: Checkpoint, options: EncoderOptions) -> Model:
    from services.embedder.families.wav2vec2_torch import load_wav2vec2

    return load_wav2vec2(checkpoint, configuration(checkpoint), options)


family: Final = LibraryFamily("wav2vec2", MODELS, card, _load)
