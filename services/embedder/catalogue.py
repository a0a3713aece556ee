"""Every encoder that a worker can be asked for: those that packages offer, and those that people added."""

from collections.abc import Callable
from dataclasses import fields
from difflib import get_close_matches
from functools import partial
from typing import Any, Final

from services.embedder.defining import CheckpointChanged, spec_of
from services.embedder.layered import LayerEncoder
from services.embedder.models import ModelCache, ModelKey
from shared.checkpoints import Checkpoint, LocalCheckpoint, MissingModel, UnknownModel, checkpoint, pinned
from shared.encoders import family_registry, registry
from shared.encoders.families import Family
from shared.encoders.protocol import Encoder, EncoderOptions, EncoderSpec
from shared.errors import PermanentError
from shared.storage import definitions, encoders
from shared.storage.database import Database, Transaction
from shared.storage.definitions import Defined, Definition
from shared.storage.encoders import UnknownEncoder

_FIELDS: Final = frozenset(field.name for field in fields(EncoderSpec))


class Catalogue:
    """Specs and encoders by name. A name stands for one space until it is removed, so what was read once is kept."""

    def __init__(self, database: Database, options: EncoderOptions, models: ModelCache) -> None:
        self._database = database
        self._options = options
        self._models = models
        self._defined: dict[str, tuple[str, str, EncoderSpec]] = {}  # family, pinned model, spec
        self._built: dict[str, Encoder] = {}

    def forget_removed(self) -> None:
        """Let go of what was removed since, perhaps to be added anew as something else."""
        if self._defined:
            with self._database.begin() as tx:
                spaces = {name: one.space for name, one in encoders.encoders(tx).items()}
            self._defined = {name: one for name, one in self._defined.items() if spaces.get(name) == one[2].space}

    def spec(self, name: str) -> EncoderSpec:
        """Without loading a model. Raises UnknownEncoder."""
        if name in registry.names():
            return registry.spec(name)
        return self._of_definition(name)[2]

    def encoder(self, name: str) -> Encoder:
        """Loads its model unless it is loaded. Raises UnknownEncoder, CheckpointChanged, and what loading raises.

        Whether its model can be had is written down, for people.
        """
        space = self.spec(name).space
        try:
            built = self._build(name)
        except PermanentError as error:
            self._note(space, error)
            raise
        self._note(space, None)
        return built

    def _note(self, space: str, error: PermanentError | None) -> None:
        with self._database.begin() as tx:
            encoders.note(tx, space, error)

    def _build(self, name: str) -> Encoder:
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


def absent(weights: Checkpoint | None) -> MissingModel | None:
    """What to say of weights that are not on this machine."""
    absence = weights.absence() if weights else None
    return MissingModel(absence) if absence else None


def note_absent(tx: Transaction) -> None:
    """Write down which of the encoders that people added have their weights on this machine."""
    for one in definitions.listing(tx).values():
        if one.pinned is not None and one.spec is not None:
            encoders.note(tx, as_spec(one.spec).space, _absent(one.pinned))


def _instead(name: str, family: Family) -> str:
    """The short names that one may have meant, or all of them: a family has few."""
    published = {repository.rpartition("/")[2]: short for short, repository in family.models.items()}
    known = {**published, **{short: short for short in family.models}}
    near = dict.fromkeys(known[one] for one in get_close_matches(name, known, n=4))
    if near:
        return f"; near to it: {', '.join(near)}"
    return f"; of {family.name} there are {', '.join(family.models)}"


def _absent(pinned: str) -> PermanentError | None:
    try:
        return absent(checkpoint(pinned))
    except UnknownModel as error:
        return error


def resolve(definition: Definition) -> tuple[str, EncoderSpec]:
    """The pinned model and the space of a definition; reads the checkpoint's files and may ask the hub.

    Raises UnknownFamily, UnknownModel, MissingModel, MissingLibrary, UnreadableCheckpoint, and what `spec_of` raises.
    """
    family = family_registry.family(definition.family)
    try:
        model = pinned(family.models.get(definition.model, definition.model))
    except UnknownModel as error:
        raise UnknownModel(f"{error.detail.rstrip('.')}{_instead(definition.model, family)}.") from error
    weights = checkpoint(model)
    if isinstance(weights, LocalCheckpoint) and (missing := absent(weights)):
        raise missing
    family_registry.check_library(family, weights)
    return model, spec_of(definition, family.card(weights))
