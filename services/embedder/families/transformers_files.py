"""Files of a checkpoint of Hugging Face's transformers, read without that library: its configuration, above all."""

import json
from pathlib import Path
from typing import Any, Final

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from shared.checkpoints import Checkpoint, HubCheckpoint, MissingModel, library

CONFIG: Final = "config.json"
_EXTRACTOR: Final = "preprocessor_config.json"
_PROCESSOR: Final = "processor_config.json"
_WEIGHTS: Final = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


def config_of(checkpoint: Checkpoint, *model_types: str) -> dict[str, Any]:
    """The configuration of a folder or repository that holds one of these types of model.

    Raises UnreadableCheckpoint if it holds another, or nothing of transformers; MissingModel if there are no weights
    beside it.
    """
    config = json_of(checkpoint, CONFIG)
    wanted = " or ".join(model_types)
    if config is None:
        raise UnreadableCheckpoint(f"{named(checkpoint)} has no {CONFIG}, so it is no {wanted} of transformers.")
    if config.get("model_type") not in model_types:
        raise UnreadableCheckpoint(f"{named(checkpoint)} holds a {config.get('model_type')}, not a {wanted}.")
    if not isinstance(checkpoint, HubCheckpoint) and not any((checkpoint.path / name).exists() for name in _WEIGHTS):
        raise MissingModel(f"{named(checkpoint)} has a {CONFIG} but no weights: none of {', '.join(_WEIGHTS)}.")
    return config


def json_of(checkpoint: Checkpoint, name: str) -> dict[str, Any] | None:
    """One of its files of settings; None if it has no such file. Raises UnreadableCheckpoint, MissingModel."""
    content = _content(checkpoint, name)
    if content is not None and not isinstance(content, dict):
        raise UnreadableCheckpoint(f"{name} of {named(checkpoint)} holds no JSON object.")
    return content


def json_list_of(checkpoint: Checkpoint, name: str) -> list[dict[str, Any]] | None:
    """The same of a file that holds a list of objects."""
    content = _content(checkpoint, name)
    if content is not None and not (isinstance(content, list) and all(isinstance(one, dict) for one in content)):
        raise UnreadableCheckpoint(f"{name} of {named(checkpoint)} holds no JSON list of objects.")
    return content


def extractor_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """The settings of its feature extractor, alone or within a processor's.

    Raises UnreadableCheckpoint if there are none: then how its inputs are made is not known.
    """
    alone = json_of(checkpoint, _EXTRACTOR)
    found = alone if alone is not None else (json_of(checkpoint, _PROCESSOR) or {}).get("feature_extractor")
    if found is None:
        raise UnreadableCheckpoint(f"{named(checkpoint)} has no {_EXTRACTOR}: how its inputs are made is not known.")
    return dict(found)


def named(checkpoint: Checkpoint) -> str:
    """As people know it: its path, or its repository."""
    return checkpoint.identity if isinstance(checkpoint, HubCheckpoint) else str(checkpoint.path)


def _content(checkpoint: Checkpoint, name: str) -> Any:
    path = _file(checkpoint, name)
    try:
        return None if path is None else json.loads(path.read_text())
    except ValueError as error:  # neither JSON, or not even text
        raise UnreadableCheckpoint(f"{path}: {error}") from error


def _file(checkpoint: Checkpoint, name: str) -> Path | None:
    if not isinstance(checkpoint, HubCheckpoint):
        path = checkpoint.path / name
        return path if path.is_file() else None
    with library("transformers"):
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError
    try:
        return Path(hf_hub_download(checkpoint.repo, name, revision=checkpoint.commit))
    except LocalEntryNotFoundError as error:  # it is an EntryNotFoundError, but says that the hub was not reached
        raise MissingModel(f"{named(checkpoint)}: {error}") from error
    except EntryNotFoundError:
        return None
    except (HfHubHTTPError, OSError) as error:
        raise MissingModel(f"{named(checkpoint)}: {error}") from error
