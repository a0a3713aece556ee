"""RoBERTa and its kin (XLM-RoBERTa, CamemBERT, BERT, MPNet) by transformers; nothing heavy loads before `load`."""

from typing import Final

from services.embedder.families.library_family import LibraryFamily
from services.embedder.families.texts import CODE, text_config, text_layers
from shared.checkpoints import Checkpoint
from shared.encoders.families import Card, Model
from shared.encoders.protocol import EncoderOptions


def card(checkpoint: Checkpoint) -> Card:
    """Raises UnreadableCheckpoint, MissingModel."""
    layers = text_layers(text_config(checkpoint))
    return Card(f"{checkpoint.identity}-{CODE}", "text", 0, layers, default_layer="encoder")


def _load(checkpoint: Checkpoint, options: EncoderOptions) -> Model:
    from services.embedder.families.roberta_torch import load_roberta

    return load_roberta(checkpoint, options)


family: Final = LibraryFamily(
    name="roberta",
    modality="text",
    models={
        "base": "FacebookAI/roberta-base",
        "large": "FacebookAI/roberta-large",
        "xlm-base": "FacebookAI/xlm-roberta-base",
        "xlm-large": "FacebookAI/xlm-roberta-large",
        "bert-base": "google-bert/bert-base-uncased",
        "bert-large": "google-bert/bert-large-uncased",
    },
    card=card,
    load=_load,
)
