"""Which vectors of a collection its names are made of."""

from dataclasses import dataclass

from shared.storage import collections, encoders
from shared.storage.database import Transaction
from shared.storage.encoders import StoredEncoder


@dataclass(frozen=True, slots=True)
class Space:
    """A collection's voices are compared in the space of its first encoder; the others are for search."""

    collection: str
    encoder: StoredEncoder


def space_of(tx: Transaction, collection: str) -> Space:
    """Raises UnknownCollection, UnknownEncoder."""
    return Space(collection, encoders.by_name(tx, collections.get(tx, collection).encoders[0]))
