"""Whisper's encoder: folders and repositories of transformers, and openai-whisper's files; torch loads with a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint, read_checkpoint
from services.embedder.families.library_family import OF_TRANSFORMERS, LibraryFamily
from services.embedder.families.transformers_files import config_of, extractor_of, named
from shared.checkpoints import Checkpoint, is_file
from shared.encoders.families import Card, Model
from shared.encoders.protocol import EncoderOptions
from shared.units import SAMPLE_RATE_HZ

FFT_SAMPLES: Final = 400  # 25 ms
HOP_SAMPLES: Final = 160  # 10 ms from one frame of the spectrogram to the next
FRAME_SAMPLES: Final = 2 * HOP_SAMPLES  # 20 ms: the second convolution takes every other frame

_REVISION: Final = 1  # of the code in `whisper*_torch`, where it decides a vector's value

_SIZES: Final = ("tiny", "base", "small", "medium")
_LARGE: Final = {"large-v2": "v2", "large-v3": "v3", "large-v3-turbo": "turbo"}
MODELS: Final = {
    **{name: f"openai/whisper-{name}" for size in _SIZES for name in (size, f"{size}.en")},
    **{name: f"openai/whisper-{full}" for full, short in _LARGE.items() for name in (full, short)},
}

# What features are made of in every published model, and all that our own spectrogram can do.
_FEATURES: Final = {
    "sampling_rate": SAMPLE_RATE_HZ,
    "n_fft": FFT_SAMPLES,
    "hop_length": HOP_SAMPLES,
    "do_normalize": False,
    "dither": 0.0,
}


@dataclass(frozen=True, slots=True)
class WhisperSizes:
    """What of a checkpoint's configuration concerns its encoder."""

    n_mels: int
    n_positions: int  # frames of 20 ms that it looks at together: 1500
    dimension: int
    n_blocks: int

    @property
    def window_samples(self) -> int:
        """30 s, in every published model."""
        return self.n_positions * FRAME_SAMPLES


def card(checkpoint: Checkpoint) -> Card:
    """Layers `conv`, `encoder.0` to `encoder.N`, `encoder`; see docs/encoders.md for where each is taken.

    Raises UnreadableCheckpoint, MissingModel.
    """
    sizes = sizes_of(checkpoint)
    blocks = {f"encoder.{n}": sizes.dimension for n in range(sizes.n_blocks + 1)}
    return Card(
        identity=f"{checkpoint.identity}-{_REVISION}",
        modality="audio",
        sample_rate_hz=SAMPLE_RATE_HZ,
        layers={"conv": sizes.dimension, **blocks, "encoder": sizes.dimension},
        default_layer="encoder",
        windows=("padded", "trimmed"),
    )


def sizes_of(checkpoint: Checkpoint) -> WhisperSizes:
    """From its configuration. Raises UnreadableCheckpoint, MissingModel."""
    if is_file(checkpoint):  # of openai-whisper
        return _of_openai(checkpoint.path)
    config = config_of(checkpoint, "whisper")
    sizes = WhisperSizes(
        config["num_mel_bins"], config["max_source_positions"], config["d_model"], config["encoder_layers"]
    )
    _check_features(checkpoint, sizes)
    return sizes


def _of_openai(path: Path) -> WhisperSizes:
    try:
        content = read_checkpoint(path)
    except UnreadableCheckpoint as error:
        raise UnreadableCheckpoint(f"{path} is no checkpoint of Whisper: it is not what torch.save writes.") from error
    dims = content.get("dims") if isinstance(content, Mapping) else None
    if not isinstance(dims, Mapping) or "n_audio_layer" not in dims:
        raise UnreadableCheckpoint(f"{path} is no checkpoint of Whisper: it holds no dims, as those of openai-whisper.")
    return WhisperSizes(dims["n_mels"], dims["n_audio_ctx"], dims["n_audio_state"], dims["n_audio_layer"])


def _check_features(checkpoint: Checkpoint, sizes: WhisperSizes) -> None:
    settings = extractor_of(checkpoint)
    wanted = {**_FEATURES, "feature_size": sizes.n_mels, "chunk_length": sizes.window_samples / SAMPLE_RATE_HZ}
    for name, value in wanted.items():
        if settings.get(name, value) != value:
            raise UnreadableCheckpoint(f"{named(checkpoint)} wants {name} = {settings[name]}, not {value}.")


def _load(checkpoint: Checkpoint, options: EncoderOptions) -> Model:
    from services.embedder.families.whisper_torch import load_whisper

    return load_whisper(checkpoint, options)


family: Final = LibraryFamily(
    "whisper", MODELS, card, _load, extras={**OF_TRANSFORMERS, "whisper": ("openai-whisper", "torch")}
)
