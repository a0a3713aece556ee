"""A family of transformers' models, put together from functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.checkpoints import Checkpoint
from shared.encoders.families import Card, Model
from shared.encoders.protocol import EncoderOptions, Modality

OF_TRANSFORMERS: Final[Mapping[str, tuple[str, ...]]] = {"transformers": ("transformers", "torch")}


@dataclass(frozen=True, slots=True)
class LibraryFamily:
    """See `shared.encoders.families.Family`."""

    name: str
    models: Mapping[str, str]
    card: Callable[[Checkpoint], Card]
    load: Callable[[Checkpoint, EncoderOptions], Model]
    modality: Modality = "audio"
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: OF_TRANSFORMERS)
