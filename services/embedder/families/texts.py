"""What encoders of texts have in common before they are loaded: the kinds of network, and their layers by name."""

from typing import Any, Final

from services.embedder.families.transformers_files import config_of
from shared.checkpoints import Checkpoint

KINDS: Final = ("roberta", "xlm-roberta", "camembert", "bert", "mpnet")

CODE: Final = 1
"""Goes up whenever our own code gives a text another vector."""


def text_config(checkpoint: Checkpoint) -> dict[str, Any]:
    """Its configuration. Raises UnreadableCheckpoint for a network of another kind, MissingModel without weights."""
    return config_of(checkpoint, *KINDS)


def text_layers(config: dict[str, Any]) -> dict[str, int]:
    """`embeddings`, the blocks, and the last block's output once more under the name by which people know it."""
    blocks = [f"encoder.{n}" for n in range(1, config["num_hidden_layers"] + 1)]
    return dict.fromkeys(["embeddings", *blocks, "encoder"], config["hidden_size"])
