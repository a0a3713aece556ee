"""Collections: a bucket prefix with its segmenter and encoders."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.errors import Conflict, InvalidRequest, NotFound
from shared.storage.database import Transaction
from shared.storage.tables import collection

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class UnknownCollection(NotFound):
    """`earmark collections list` names those that there are; `earmark collections create NAME` makes one, and so does
    a file under its prefix.
    """

    code = "unknown_collection"


class BadCollectionName(InvalidRequest):
    """A collection's name starts with a letter or digit and goes on with letters, digits, `.`, `_` or `-` (128)."""

    code = "bad_collection_name"


class CollectionDiffers(Conflict):
    """The collection exists with other settings; leave the options out or use another name."""

    code = "collection_differs"


class EncoderNames(Conflict):
    """Names are made of this encoder's vectors: have another one name first, with `earmark collections switch`."""

    code = "encoder_names"


@dataclass(frozen=True, slots=True)
class Collection:
    """One row of the table."""

    name: str
    segmenter: str
    encoders: tuple[str, ...]
    created_at: datetime
    speakers: str | None = None  # how many a recording has, N or MIN-MAX; None: the segmenter finds out
    weight: int = 1  # deliveries in a turn, beside other collections


def is_name(text: str) -> bool:
    """Whether a collection may be named so."""
    return _NAME.fullmatch(text) is not None


def check_name(name: str) -> str:
    """The name itself; raises BadCollectionName."""
    if not is_name(name):
        raise BadCollectionName(f"{name!r} cannot name a collection.")
    return name


def ensure(
    tx: Transaction, name: str, segmenter: str, encoders: tuple[str, ...], speakers: str | None = None
) -> Collection:
    """Create the collection with these settings unless it stands already, with whatever settings it has."""
    check_name(name)
    values = {"name": name, "segmenter": segmenter, "encoders": list(encoders), "speakers": speakers}
    tx.execute(insert(collection).values(values).on_conflict_do_nothing())
    return get(tx, name)


def create(
    tx: Transaction, name: str, segmenter: str, encoders: tuple[str, ...], speakers: str | None = None
) -> Collection:
    """Create it, or return it if it stands with exactly these settings; raises CollectionDiffers otherwise."""
    standing = ensure(tx, name, segmenter, encoders, speakers)
    if (standing.segmenter, set(standing.encoders), standing.speakers) != (segmenter, set(encoders), speakers):
        told = "" if standing.speakers is None else f", and {standing.speakers} speakers a recording"
        raise CollectionDiffers(
            f"{name!r} has segmenter {standing.segmenter!r} and encoders {', '.join(standing.encoders)}{told}."
        )
    return standing


_ADD_ENCODER = sa.text("""
    UPDATE collection SET encoders = array_append(encoders, :encoder)
    WHERE name = :name AND NOT :encoder = ANY(encoders)
""")


def add_encoder(tx: Transaction, name: str, encoder: str) -> bool:
    """Let later arrivals be embedded by this encoder as well, after the others; returns whether it was new."""
    return tx.execute(_ADD_ENCODER, {"name": name, "encoder": encoder}).rowcount > 0


_DROP_ENCODER = sa.text("""
    UPDATE collection SET encoders = array_remove(encoders, :encoder) WHERE name = :name AND :encoder = ANY(encoders)
""")


def drop_encoder(tx: Transaction, name: str, encoder: str) -> bool:
    """Let later arrivals do without this encoder; vectors that are there stay. Returns whether it was among them.

    Raises UnknownCollection, EncoderNames.
    """
    tx.execute(sa.select(collection.c.name).where(collection.c.name == name).with_for_update())
    if get(tx, name).encoders[0] == encoder:
        raise EncoderNames(f"{encoder!r} names the speakers of {name!r}.")
    return tx.execute(_DROP_ENCODER, {"name": name, "encoder": encoder}).rowcount > 0


_NAME_BY = sa.text("""
    UPDATE collection SET encoders = array_prepend(:encoder, array_remove(encoders, :encoder)) WHERE name = :name
""")


def name_by(tx: Transaction, name: str, encoder: str) -> None:
    """Make an encoder the first one, in whose space names are made. Call it under `labels.lock_names`."""
    tx.execute(_NAME_BY, {"name": name, "encoder": encoder})


def weigh(tx: Transaction, name: str, weight: int) -> Collection:
    """Change how many deliveries it sends in a turn, from 1 to 100. Raises UnknownCollection."""
    tx.execute(sa.update(collection).where(collection.c.name == name).values(weight=weight))
    return get(tx, name)


def get(tx: Transaction, name: str) -> Collection:
    """Raises UnknownCollection."""
    row = tx.execute(sa.select(collection).where(collection.c.name == name)).one_or_none()
    if row is None:
        raise UnknownCollection(f"No collection {name!r}.")
    return _as_collection(row)


def listing(tx: Transaction) -> list[Collection]:
    """All of them by name."""
    rows = tx.execute(sa.select(collection).order_by(collection.c.name))
    return [_as_collection(row) for row in rows]


def _as_collection(row: Any) -> Collection:
    return Collection(row.name, row.segmenter, tuple(row.encoders), row.created_at, row.speakers, row.weight)
