"""Sentence encoders in torch: the network through transformers' own loader, then the folder's own pooling."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import torch
from jaxtyping import Float, Float32, Int

from services.embedder.families.fidelity_torch import settled
from services.embedder.families.pooling_torch import pooled
from services.embedder.families.sentence import Recipe, card
from services.embedder.families.text_model_torch import TextModel
from services.embedder.families.text_tokens_torch import text_reader
from services.embedder.families.transformers_library import transformers_library
from services.embedder.families.transformers_torch import network
from shared.checkpoints import Checkpoint
from shared.encoders.protocol import EncoderOptions

_Frames = Float[torch.Tensor, "texts tokens dim"]
_Counts = Int[torch.Tensor, " texts"]
_Rows = Float32[torch.Tensor, "texts dim"]


def load_sentence(checkpoint: Checkpoint, recipe: Recipe, options: EncoderOptions) -> TextModel:
    """Vectors after Reimers and Gurevych, "Sentence-BERT" (2019).

    Raises MissingLibrary, MissingModel, UnreadableCheckpoint.
    """
    with transformers_library():
        from transformers import AutoModel
    loaded = network(AutoModel, checkpoint, add_pooling_layer=False)
    reader = text_reader(checkpoint, loaded.config, recipe.max_tokens, lower_case=recipe.lower_case)
    return settled(TextModel(loaded, reader, options, partial(_sentences, recipe)), card(checkpoint))


def _sentences(recipe: Recipe, frames: _Frames, n_valid: _Counts) -> Float32[torch.Tensor, "texts pooled"]:
    rows = torch.cat([_POOLED[mode](frames.float(), n_valid) for mode in recipe.modes], dim=1)
    return torch.nn.functional.normalize(rows) if recipe.normalised else rows


def _by_root_of_length(frames: _Frames, n_valid: _Counts) -> _Rows:
    return pooled(frames, n_valid, "mean") * n_valid[:, None].sqrt()


def _weighted_by_position(frames: _Frames, n_valid: _Counts) -> _Rows:
    positions = torch.arange(1, frames.shape[1] + 1, device=frames.device)
    weights = torch.where(positions <= n_valid[:, None], positions, 0).float()  # (texts, tokens)
    return (weights[:, :, None] * frames).sum(dim=1) / weights.sum(dim=1, keepdim=True)


_POOLED: Final[Mapping[str, Callable[[_Frames, _Counts], _Rows]]] = {
    "cls": partial(pooled, pooling="first"),
    "lasttoken": partial(pooled, pooling="last"),
    "max": partial(pooled, pooling="max"),
    "mean": partial(pooled, pooling="mean"),
    "mean_sqrt_len_tokens": _by_root_of_length,
    "weightedmean": _weighted_by_position,
}
