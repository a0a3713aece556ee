"""ECAPA-TDNN speaker vectors by speechbrain, from its hub repository or a folder; torch loads when it is built."""

from functools import partial
from typing import Final

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint, tensor_shapes
from shared.checkpoints import Checkpoint, HubCheckpoint, checkpoint
from shared.encoders.protocol import Encoder, EncoderOptions, EncoderPlugin, EncoderSpec
from shared.settings import Settings
from shared.units import SAMPLE_RATE_HZ

WEIGHTS_FILE: Final = "embedding_model.ckpt"
_HUB_DIMENSION: Final = 192
_OUTPUT_LAYER: Final = "fc.conv.weight"


def spec_of(weights: Checkpoint) -> EncoderSpec:
    """The space of these weights; no model is loaded. Raises UnreadableCheckpoint."""
    return EncoderSpec(
        name="ecapa",
        revision=f"{weights.identity}-1",
        layer="fc",
        pooling="attentive-statistics",
        sample_rate_hz=SAMPLE_RATE_HZ,
        dimension=_dimension(weights),
        # Not measured here, since the weights were not at hand. What is published of such networks on VoxCeleb1 is an
        # equal error rate of about 1 % for whole utterances, several at 1 s, and far more below.
        min_duration_s=0.6,
        metric="cosine",
        # Not measured here either. speechbrain verifies at 0.25, where both errors are equally likely; a name that
        # identification gives should be right.
        assign_threshold=0.5,
    )


def plugin_of(model: str) -> EncoderPlugin:
    """The encoder with the weights that a setting names. Raises UnknownModel, UnreadableCheckpoint."""
    weights = checkpoint(model)
    spec = spec_of(weights)
    return EncoderPlugin(spec, partial(_build, spec, weights), ("speechbrain",), weights)


def __getattr__(name: str) -> EncoderPlugin:
    """`plugin`, when the registry asks for it: which weights it has is a setting, and nothing is read at import."""
    if name != "plugin":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return plugin_of(Settings().embedder.ecapa_model)


def _build(spec: EncoderSpec, weights: Checkpoint, options: EncoderOptions) -> Encoder:
    from services.embedder.encoders.ecapa_torch import build_ecapa

    return build_ecapa(spec, weights, options)


def _dimension(weights: Checkpoint) -> int:
    if isinstance(weights, HubCheckpoint):
        return _HUB_DIMENSION  # building checks it
    shapes = tensor_shapes(weights.path / WEIGHTS_FILE)
    if _OUTPUT_LAYER not in shapes:
        raise UnreadableCheckpoint(f"{weights.path / WEIGHTS_FILE} holds no ECAPA-TDNN of speechbrain.")
    return shapes[_OUTPUT_LAYER][0]
