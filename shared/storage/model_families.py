"""The families of models that workers know: announced by them, since only their machines have the libraries."""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.checkpoints import MissingLibrary
from shared.encoders.family_registry import UnknownFamily
from shared.storage.database import Transaction
from shared.storage.tables import encoder_family


@dataclass(frozen=True, slots=True)
class KnownFamily:
    """A family as a worker announced it."""

    name: str
    modality: str  # audio or text
    extra: str  # of Earmark's, with its library; behind a comma that of single files, where it is another
    installed: bool
    models: Mapping[str, str]  # short names, and where the hub has each


def announce(tx: Transaction, family: KnownFamily) -> None:
    """Write it down."""
    values = {
        "modality": family.modality,
        "extra": family.extra,
        "installed": family.installed,
        "models": dict(family.models),
    }
    changed = {**values, "announced_at": sa.func.clock_timestamp()}
    statement = insert(encoder_family).values(name=family.name, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["name"], set_=changed))


def listing(tx: Transaction) -> dict[str, KnownFamily]:
    """All of them, in the order of their names."""
    rows = tx.execute(sa.select(encoder_family).order_by(encoder_family.c.name))
    return {row.name: KnownFamily(row.name, row.modality, row.extra, row.installed, row.models) for row in rows}


def check(tx: Transaction, name: str) -> None:
    """Raises UnknownFamily, naming what there is instead, and MissingLibrary if workers cannot load its models."""
    known = listing(tx)
    if name not in known:
        listed = ", ".join(known) or "none, since no worker has announced any"
        raise UnknownFamily(f"No family of models is named {name!r}; known are {listed}.")
    if not known[name].installed:
        extra, *of_files = known[name].extra.split(",")
        besides = "".join(f", or 'earmark[{one}]' for a single file" for one in of_files)
        raise MissingLibrary(f"The workers lack the library of {name!r}: pip install 'earmark[{extra}]'{besides}.")
