"""The parts of Whisper's encoder under one set of names, loaded by transformers or by openai-whisper."""

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import nn

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from services.embedder.families import transformers_torch
from services.embedder.families.runtime_torch import Runtime
from services.embedder.families.transformers_library import transformers_library
from shared.checkpoints import Checkpoint, LocalCheckpoint, is_file, library

Frames = Float[torch.Tensor, "windows frames dim"]
Seen = Bool[torch.Tensor, "windows 1 1 frames"]
"""Which frames are looked at."""


@dataclass(frozen=True, slots=True)
class WhisperParts:
    """On its device. Both libraries refuse spectrograms shorter than the window, so their own `forward` is not used."""

    network: nn.Module
    stem: Sequence[nn.Module]  # two convolutions
    positions: Float[torch.Tensor, "positions dim"]
    blocks: Sequence[Callable[[Frames, Seen | None], Frames]]
    norm: nn.Module
    takes_masks: bool  # False: windows of one pass must be of one length


def load_parts(checkpoint: Checkpoint, runtime: Runtime) -> WhisperParts:
    """The encoder alone. Raises MissingLibrary, MissingModel, UnreadableCheckpoint."""
    if is_file(checkpoint):
        return _of_openai(runtime.moved(_openai_encoder(checkpoint)))
    return _of_transformers(runtime.moved(_transformers_encoder(checkpoint)))


def _transformers_encoder(checkpoint: Checkpoint) -> nn.Module:
    with transformers_library():
        from transformers.models.whisper.modeling_whisper import WhisperEncoder
    # as WhisperModel, WhisperForConditionalGeneration and WhisperForAudioClassification name it
    encoder: nn.Module = transformers_torch.network(WhisperEncoder, checkpoint, {r"^(model\.)?encoder\.": ""})
    return encoder


def _of_transformers(encoder: Any) -> WhisperParts:
    return WhisperParts(
        network=encoder,
        stem=(encoder.conv1, encoder.conv2),
        positions=encoder.embed_positions.weight,
        blocks=encoder.layers,
        norm=encoder.layer_norm,
        takes_masks=True,
    )


def _openai_encoder(checkpoint: LocalCheckpoint) -> nn.Module:
    with library("whisper"):
        import whisper
    try:
        encoder: nn.Module = whisper.load_model(str(checkpoint.path), device="cpu").encoder
    except (KeyError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
        raise UnreadableCheckpoint(f"{checkpoint.path}: {error}") from error
    return encoder


def _of_openai(encoder: Any) -> WhisperParts:
    return WhisperParts(
        network=encoder,
        stem=(encoder.conv1, encoder.conv2),
        positions=encoder.positional_embedding,
        blocks=[partial(_openai_block, block) for block in encoder.blocks],
        norm=encoder.ln_post,
        takes_masks=False,
    )


def _openai_block(block: nn.Module, frames: Frames, seen: Seen | None) -> Frames:
    assert seen is None
    made: torch.Tensor = block(frames)
    return made
