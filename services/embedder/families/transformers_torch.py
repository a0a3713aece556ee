"""Networks of Hugging Face's transformers, loaded by the library itself, in single precision."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from services.embedder.families.transformers_files import named
from shared.checkpoints import Checkpoint, HubCheckpoint, MissingModel


def pretrained(kind: Any, checkpoint: Checkpoint, **options: Any) -> Any:
    """What `kind.from_pretrained` makes of it: a feature extractor, a tokenizer, a configuration.

    Of a repository only what the library asks for is fetched. Raises MissingModel, UnreadableCheckpoint.
    """
    try:
        if isinstance(checkpoint, HubCheckpoint):
            return kind.from_pretrained(checkpoint.repo, revision=checkpoint.commit, **options)
        return kind.from_pretrained(str(checkpoint.path), **options)
    except OSError as error:
        raise MissingModel(f"{named(checkpoint)}: {error}") from error
    except (RuntimeError, ValueError) as error:  # sizes that differ from the configuration's, and the like
        raise UnreadableCheckpoint(f"{named(checkpoint)}: {error}") from error


def network(kind: Any, checkpoint: Checkpoint, key_mapping: Mapping[str, str] | None = None, **settings: Any) -> Any:
    """A network with all of its weights from the checkpoint; what else is there is left.

    `key_mapping` renames tensors, patterns to replacements, so that a part of a model can be loaded alone; `settings`
    stand instead of the configuration's. Raises MissingModel; UnreadableCheckpoint if weights are missing, where the
    library would draw them at random.
    """
    options = {"key_mapping": dict(key_mapping)} if key_mapping else {}
    wanted = {"dtype": torch.float32, "output_loading_info": True, **options, **settings}
    with _quiet():
        loaded, report = pretrained(kind, checkpoint, **wanted)
    if missing := sorted(report["missing_keys"]):
        raise UnreadableCheckpoint(f"{named(checkpoint)} lacks {len(missing)} weights, {missing[0]} among them.")
    return loaded


@contextmanager
def _quiet() -> Iterator[None]:
    """Without progress bars, and without a table of the weights that were left."""
    logging: Any = import_module("transformers.utils.logging")  # whose functions have no types
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        logging.enable_progress_bar()
