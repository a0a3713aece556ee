"""Sentence encoders as the package sentence-transformers saves them, and without that package."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from services.embedder.families.library_family import LibraryFamily
from services.embedder.families.texts import CODE, text_config, text_layers
from services.embedder.families.transformers_files import json_list_of, json_of, named
from shared.checkpoints import Checkpoint
from shared.encoders.families import Card, Model
from shared.encoders.protocol import EncoderOptions

LAYER: Final = "sentence"
_MODULES: Final = "modules.json"
_SETTINGS: Final = "sentence_bert_config.json"
_MODES: Final = {  # in the order in which the package puts several side by side
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a folder of sentence-transformers says of the way from a text to its vector."""

    modes: tuple[str, ...]  # of pooling, side by side
    normalised: bool
    max_tokens: int | None
    lower_case: bool


def recipe_of(checkpoint: Checkpoint) -> Recipe:
    """Raises UnreadableCheckpoint for a folder of another kind, and for steps that are not done here."""
    paths = _steps(checkpoint)
    settings = json_of(checkpoint, _SETTINGS) or {}
    prompts = json_of(checkpoint, "config_sentence_transformers.json") or {}
    if prompts.get("default_prompt_name"):
        raise UnreadableCheckpoint(f"{named(checkpoint)} puts a prompt before each text, which is not done here.")
    return Recipe(
        modes=_modes(checkpoint, json_of(checkpoint, f"{paths['Pooling']}/config.json") or {}),
        normalised="Normalize" in paths,
        max_tokens=settings.get("max_seq_length"),
        lower_case=bool(settings.get("do_lower_case")),
    )


def card(checkpoint: Checkpoint) -> Card:
    """Raises UnreadableCheckpoint, MissingModel."""
    recipe = recipe_of(checkpoint)
    config = text_config(checkpoint)
    layers = {**text_layers(config), LAYER: config["hidden_size"] * len(recipe.modes)}
    return Card(f"{checkpoint.identity}-{CODE}", "text", 0, layers, default_layer=LAYER)


def _steps(checkpoint: Checkpoint) -> dict[str, str]:
    """The folder of each step, by the name of its class."""
    listed = json_list_of(checkpoint, _MODULES)
    if listed is None:
        raise UnreadableCheckpoint(f"{named(checkpoint)} has no {_MODULES}, so it is none of sentence-transformers.")
    steps = {str(step.get("type")).rpartition(".")[2]: str(step.get("path", "")) for step in listed}
    if list(steps) not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]) or steps["Transformer"]:
        raise UnreadableCheckpoint(
            f"{named(checkpoint)} goes through {', '.join(steps)}; what is done here is Transformer, Pooling and, if it"
            " is wanted, Normalize."
        )
    return steps


def _modes(checkpoint: Checkpoint, pooling: Mapping[str, Any]) -> tuple[str, ...]:
    since_6 = pooling.get("pooling_mode")
    if since_6 is None:
        return tuple(mode for key, mode in _MODES.items() if pooling.get(key)) or ("mean",)
    modes = (since_6,) if isinstance(since_6, str) else tuple(since_6)
    if not set(modes) <= set(_MODES.values()):
        raise UnreadableCheckpoint(f"{named(checkpoint)} pools by {', '.join(modes)}, which is not known here.")
    return modes


def _load(checkpoint: Checkpoint, options: EncoderOptions) -> Model:
    from services.embedder.families.sentence_torch import load_sentence

    return load_sentence(checkpoint, recipe_of(checkpoint), options)


family: Final = LibraryFamily(
    name="sentence",
    modality="text",
    models={
        "minilm": "sentence-transformers/all-MiniLM-L6-v2",
        "mpnet": "sentence-transformers/all-mpnet-base-v2",
        "multilingual-minilm": "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
        "multilingual-mpnet": "sentence-transformers/paraphrase-multilingual-mpnet-base-v2",
    },
    card=card,
    load=_load,
)
