"""The Audio Spectrogram Transformer (Gong et al. 2021) by transformers; nothing heavy loads before `load`."""

from dataclasses import dataclass
from typing import Final

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from services.embedder.families.library_family import LibraryFamily
from services.embedder.families.transformers_files import config_of, extractor_of, named
from shared.checkpoints import Checkpoint
from shared.encoders.families import Card, Model
from shared.encoders.protocol import EncoderOptions
from shared.units import SAMPLE_RATE_HZ, seconds

_REVISION: Final = 1  # of the code here and in `ast_torch`, where it decides a vector's value

MODELS: Final = {
    "audioset": "MIT/ast-finetuned-audioset-10-10-0.4593",
    "speech-commands": "MIT/ast-finetuned-speech-commands-v2",
}

FRAME_SAMPLES: Final = 400  # 25 ms, every 10 ms, at the only rate for which its filters are published
HOP_SAMPLES: Final = 160
POOLER: Final = "pooler"

# What a spectrogram is scaled by where the checkpoint does not say: AudioSet's mean and deviation, as in the library.
_AUDIOSET_MEAN: Final = -4.2677393
_AUDIOSET_DEVIATION: Final = 4.5689974


@dataclass(frozen=True, slots=True)
class AstSizes:
    """What follows from a checkpoint's configuration and its feature extractor's."""

    dimension: int
    n_blocks: int
    n_mels: int
    n_frames: int  # of the spectrogram, in a window
    patch_frames: int
    patch_hop: int  # frames from one column of patches to the next
    n_bands: int  # patches in a column
    mean: float  # of the spectrograms' values, and their deviation
    deviation: float

    @property
    def window_samples(self) -> int:
        """What fills a window's frames: 10.255 s of 1024 frames."""
        return FRAME_SAMPLES + (self.n_frames - 1) * HOP_SAMPLES

    @property
    def n_columns(self) -> int:
        """Columns of patches in a window: 101 of 1024 frames, 100 ms apart."""
        return (self.n_frames - self.patch_frames) // self.patch_hop + 1

    def n_valid_columns(self, n_samples: int) -> int:
        """Columns that begin within so many samples; at least 1."""
        n_frames = (n_samples - FRAME_SAMPLES) // HOP_SAMPLES + 1
        return min(self.n_columns, -(-n_frames // self.patch_hop))


def card(checkpoint: Checkpoint) -> Card:
    """Layers `embeddings`, `encoder.1` to `encoder.N`, `encoder`, `pooler`; see docs/encoders.md.

    Raises UnreadableCheckpoint, MissingModel.
    """
    sizes = sizes_of(checkpoint)
    blocks = {f"encoder.{n}": sizes.dimension for n in range(1, sizes.n_blocks + 1)}
    return Card(
        identity=f"{checkpoint.identity}-{_REVISION}",
        modality="audio",
        sample_rate_hz=SAMPLE_RATE_HZ,
        layers={"embeddings": sizes.dimension, **blocks, "encoder": sizes.dimension, POOLER: sizes.dimension},
        default_layer="encoder",
        windows=("padded",),
        min_duration_s=seconds(FRAME_SAMPLES),
    )


def sizes_of(checkpoint: Checkpoint) -> AstSizes:
    """From its configuration. Raises UnreadableCheckpoint, MissingModel."""
    config, settings = config_of(checkpoint, "audio-spectrogram-transformer"), extractor_of(checkpoint)
    wanted = {
        "sampling_rate": SAMPLE_RATE_HZ,
        "num_mel_bins": config["num_mel_bins"],
        "max_length": config["max_length"],
    }
    for name, value in wanted.items():
        if settings.get(name, value) != value:
            raise UnreadableCheckpoint(f"{named(checkpoint)} has {name} = {settings[name]}, not {value}.")
    scaled = settings.get("do_normalize", True)
    return AstSizes(
        dimension=config["hidden_size"],
        n_blocks=config["num_hidden_layers"],
        n_mels=config["num_mel_bins"],
        n_frames=config["max_length"],
        patch_frames=config["patch_size"],
        patch_hop=config["time_stride"],
        n_bands=(config["num_mel_bins"] - config["patch_size"]) // config["frequency_stride"] + 1,
        mean=settings.get("mean", _AUDIOSET_MEAN) if scaled else 0.0,
        deviation=settings.get("std", _AUDIOSET_DEVIATION) if scaled else 0.5,  # twice it divides
    )


def _load(checkpoint: Checkpoint, options: EncoderOptions) -> Model:
    from services.embedder.families.ast_torch import load_ast

    return load_ast(checkpoint, sizes_of(checkpoint), options)


family: Final = LibraryFamily("ast", MODELS, card, _load)
