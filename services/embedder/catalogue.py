"""Every encoder that a worker can be asked for: those that packages offer, and those that people added."""

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any, Final

from services.embedder.defining import CheckpointChanged, spec_of
from services.embedder.layered import LayerEncoder
from services.embedder.models import ModelCache, ModelKey
from shared.checkpoints import checkpoint, pinned
from shared.encoders import family_registry, registry
from shared.encoders.protocol import Encoder, EncoderOptions, EncoderSpec
from shared.storage import definitions
from shared.storage.database import Database
from shared.storage.definitions import Defined, Definition
from shared.storage.encoders import UnknownEncoder

_FIELDS: Final = frozenset(field.name for field in fields(EncoderSpec))


class Catalogue:
    """Specs and encoders by name. A name stands for one space for good, so what was read once is kept."""

    def __init__(self, database: Database, options: EncoderOptions, models: ModelCache) -> None:
        self._database = database
        self._options = options
        self._models = models
        self._defined: dict[str, tuple[str, str, EncoderSpec]] = {}  # family, pinned model, spec
        self._built: dict[str, Encoder] = {}

    def spec(self, name: str) -> EncoderSpec:
        """Without loading a model. Raises UnknownEncoder."""
        if name in registry.names():
            return registry.spec(name)
        return self._of_definition(name)[2]

    def encoder(self, name: str) -> Encoder:
        """Loads its model unless it is loaded. Raises UnknownEncoder, CheckpointChanged, and what loading raises."""
        if name in registry.names():
            if name not in self._built:
                self._built[name] = registry.build(name, self._options)
            return self._built[name]
        family, model, spec = self._of_definition(name)
        key = ModelKey(family, model, spec.revision)
        return LayerEncoder(spec, self._models.get(key, partial(self._load, name, key)))

    def _load(self, name: str, key: ModelKey) -> Any:
        family, weights = family_registry.family(key.family), checkpoint(key.pinned)
        if family.card(weights).identity != key.identity:
            raise CheckpointChanged(f"{key.pinned} no longer holds what {name!r} was added with.")
        return family.load(weights, self._options)

    def _of_definition(self, name: str) -> tuple[str, str, EncoderSpec]:
        if name not in self._defined:
            with self._database.begin() as tx:
                found = _found(partial(definitions.get, tx, name), name)
            assert found.pinned is not None
            assert found.spec is not None
            self._defined[name] = found.definition.family, found.pinned, as_spec(found.spec)
        return self._defined[name]


def _found(get: Callable[[], Defined], name: str) -> Defined:
    try:
        found = get()
    except UnknownEncoder:
        registry.spec(name)  # raises UnknownEncoder with the known ones
        raise
    if found.state != "ready":
        raise UnknownEncoder(f"The encoder {name!r} is not ready: {found.reason or 'no worker has read it yet'}.")
    return found


def as_spec(stored: dict[str, Any]) -> EncoderSpec:
    """A spec as it was stored, by whichever version."""
    return EncoderSpec(**{name: value for name, value in stored.items() if name in _FIELDS})


def resolve(definition: Definition) -> tuple[str, EncoderSpec]:
    """The pinned model and the space of a definition; reads the checkpoint's files and may ask the hub.

    Raises UnknownFamily, UnknownModel, MissingModel, MissingLibrary, UnreadableCheckpoint, and what `spec_of` raises.
    """
    family = family_registry.family(definition.family)
    model = pinned(family.models.get(definition.model, definition.model))
    return model, spec_of(definition, family.card(checkpoint(model)))
