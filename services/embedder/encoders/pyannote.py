"""Speaker vectors by pyannote.audio's embedding models, from its hub or a path; torch loads when it is built."""

from functools import partial
from pathlib import Path
from typing import Final

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint, tensor_shapes
from shared.checkpoints import Checkpoint, HubCheckpoint, checkpoint
from shared.encoders.protocol import Encoder, EncoderOptions, EncoderPlugin, EncoderSpec
from shared.settings import Settings
from shared.units import SAMPLE_RATE_HZ

WEIGHTS_FILE: Final = "pytorch_model.bin"
_HUB_DIMENSION: Final = 256


def spec_of(weights: Checkpoint) -> EncoderSpec:
    """The space of these weights; no model is loaded. Raises UnreadableCheckpoint."""
    return EncoderSpec(
        name="pyannote",
        revision=f"{weights.identity}-1",
        layer="embedding",
        pooling="statistics",
        sample_rate_hz=SAMPLE_RATE_HZ,
        dimension=_dimension(weights),
        # Not measured here, since the weights were not at hand. pyannote itself looks for the least that a model needs
        # below 0.5 s, which its diarization takes for too little to tell voices by.
        min_duration_s=0.6,
        metric="cosine",
        # Not measured here either. pyannote's own pipeline joins turns from a cosine of 0.3 on; a name that
        # identification gives should be right.
        assign_threshold=0.5,
    )


def plugin_of(model: str) -> EncoderPlugin:
    """The encoder with the weights that a setting names. Raises UnknownModel, UnreadableCheckpoint."""
    weights = checkpoint(model)
    spec = spec_of(weights)
    return EncoderPlugin(spec, partial(_build, spec, weights), ("pyannote.audio",), weights)


def weights_file(path: Path) -> Path:
    """The model's file: the path itself, or the one of that name in a folder."""
    return path / WEIGHTS_FILE if path.is_dir() else path


def __getattr__(name: str) -> EncoderPlugin:
    """`plugin`, when the registry asks for it: which weights it has is a setting, and nothing is read at import."""
    if name != "plugin":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return plugin_of(Settings().embedder.pyannote_model)


def _build(spec: EncoderSpec, weights: Checkpoint, options: EncoderOptions) -> Encoder:
    from services.embedder.encoders.pyannote_torch import build_pyannote

    return build_pyannote(spec, weights, options)


def _dimension(weights: Checkpoint) -> int:
    """Rows of the last matrix, which is the output layer of each of pyannote's embedding networks."""
    if isinstance(weights, HubCheckpoint):
        return _HUB_DIMENSION  # building checks it
    matrices = [shape for shape in tensor_shapes(weights_file(weights.path)).values() if len(shape) == 2]
    if not matrices:
        raise UnreadableCheckpoint(f"{weights.path} holds no embedding model of pyannote.audio.")
    return matrices[-1][0]
