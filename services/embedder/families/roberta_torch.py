"""RoBERTa and its kin in torch, through transformers' own loader."""

from services.embedder.families.fidelity_torch import settled
from services.embedder.families.roberta import card
from services.embedder.families.text_model_torch import TextModel
from services.embedder.families.text_tokens_torch import text_reader
from services.embedder.families.transformers_library import transformers_library
from services.embedder.families.transformers_torch import network
from shared.checkpoints import Checkpoint
from shared.encoders.protocol import EncoderOptions


def load_roberta(checkpoint: Checkpoint, options: EncoderOptions) -> TextModel:
    """Vectors after Liu et al., "RoBERTa" (2019), and of the networks that are built alike.

    Raises MissingLibrary, MissingModel, UnreadableCheckpoint.
    """
    with transformers_library():
        from transformers import AutoModel
    loaded = network(AutoModel, checkpoint, add_pooling_layer=False)  # a masked language model has none
    return settled(TextModel(loaded, text_reader(checkpoint, loaded.config), options), card(checkpoint))
