"""Encoders that people added: which layer of which checkpoint. A worker reads the checkpoint and makes the space."""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.encoders import registry
from shared.errors import Conflict, InvalidRequest
from shared.events import EncoderRequested
from shared.storage.database import Transaction
from shared.storage.encoders import UnknownEncoder
from shared.storage.tables import encoder, encoder_definition


class EncoderExists(Conflict):
    """An encoder's name stands for one space for good: vectors are kept under it. Add yours under another name."""

    code = "encoder_exists"


class BadEncoderName(InvalidRequest):
    """An encoder's name starts with a lower-case letter and goes on with letters, digits, `_`, `.`, `:`, `-` (128)."""

    code = "bad_encoder_name"


@dataclass(frozen=True, slots=True)
class Definition:
    """What a person asked for; None leaves a choice to the checkpoint."""

    name: str
    family: str
    model: str  # a path on the workers' machines, a hub's OWNER/NAME[@COMMIT], or a family's short name for one
    layer: str | None = None
    pooling: str | None = None
    window: str | None = None
    frames: str | None = None


@dataclass(frozen=True, slots=True)
class Defined:
    """A definition, and what became of it."""

    definition: Definition
    state: Literal["requested", "ready", "failed"]
    pinned: str | None  # the model with its commit, once a worker has found it
    spec: dict[str, Any] | None  # of the space
    code: str | None
    reason: str | None


_NAME: Final = re.compile(r"[a-z][a-z0-9_.:-]{0,127}")
_COLUMNS = ("name", "family", "model", "layer", "pooling", "window", "frames")


def request(tx: Transaction, definition: Definition) -> EncoderRequested | None:
    """Write it down; None if it stands already as it is.

    As long as there is no space of it, another wish takes its place; one that failed may be asked for again.

    The caller publishes the event in the same transaction. Raises BadEncoderName, EncoderExists.
    """
    _check_name(tx, definition.name)
    values = {column: getattr(definition, column) for column in _COLUMNS}
    anew = {**values, "state": "requested", "code": None, "reason": None}
    statement = insert(encoder_definition).values(values)
    other = sa.or_(*(encoder_definition.c[c].is_distinct_from(statement.excluded[c]) for c in _COLUMNS))
    state = encoder_definition.c.state
    written = tx.execute(
        statement.on_conflict_do_update(
            index_elements=["name"], set_=anew, where=sa.or_(state == "failed", sa.and_(state == "requested", other))
        ).returning(encoder_definition.c.name)
    ).one_or_none()
    if written is not None:
        return EncoderRequested(encoder=definition.name)
    if get(tx, definition.name).definition != definition:
        raise EncoderExists(f"{definition.name!r} is there already, with other settings.")
    return None


def find(tx: Transaction, name: str) -> Defined | None:
    """What was asked for under a name, if it was not removed."""
    row = tx.execute(sa.select(encoder_definition).where(encoder_definition.c.name == name)).one_or_none()
    return None if row is None else _defined(row)


def get(tx: Transaction, name: str) -> Defined:
    """Raises UnknownEncoder."""
    found = find(tx, name)
    if found is None:
        raise UnknownEncoder(f"No encoder {name!r} was added.")
    return found


def listing(tx: Transaction) -> dict[str, Defined]:
    """All of them by name, in the order of their names."""
    rows = tx.execute(sa.select(encoder_definition).order_by(encoder_definition.c.name))
    return {row.name: _defined(row) for row in rows}


def hold(tx: Transaction, definition: Definition) -> bool:
    """Whether this is still what is wanted under its name; if so, it stays until the transaction ends."""
    mine = sa.select(encoder_definition).where(encoder_definition.c.name == definition.name)
    row = tx.execute(mine.with_for_update()).one_or_none()
    return row is not None and _defined(row).definition == definition


def settle(tx: Transaction, name: str, pinned: str, spec: dict[str, Any]) -> None:
    """A worker has read the checkpoint, and this is the space."""
    _update(tx, name, state="ready", pinned=pinned, spec=spec, code=None, reason=None)


def fail(tx: Transaction, name: str, code: str, reason: str) -> None:
    """A worker cannot make an encoder of it, for a reason that a person can mend."""
    _update(tx, name, state="failed", code=code, reason=reason)


def _defined(row: sa.Row[Any]) -> Defined:
    definition = Definition(*(getattr(row, column) for column in _COLUMNS))
    return Defined(definition, row.state, row.pinned, row.spec, row.code, row.reason)


def _check_name(tx: Transaction, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadEncoderName(f"{name!r} cannot name an encoder.")
    added = sa.select(encoder_definition.c.name)
    packaged = sa.select(encoder.c.name).where(encoder.c.name == name, encoder.c.name.not_in(added))
    if name in registry.names() or tx.execute(packaged.limit(1)).one_or_none() is not None:
        raise EncoderExists(f"{name!r} comes with Earmark, or with a package.")


def _update(tx: Transaction, name: str, **values: Any) -> None:
    tx.execute(sa.update(encoder_definition).where(encoder_definition.c.name == name).values(**values))
