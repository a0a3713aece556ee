"""A collection that a query names: it stands, and exists for whoever asks."""

from collections.abc import Collection

from shared.storage import collections
from shared.storage.collections import UnknownCollection
from shared.storage.database import Transaction


def require(tx: Transaction, collection: str | None, within: Collection[str] | None) -> None:
    """Raises UnknownCollection: what is misspelt would fit nothing, and look as if nothing had happened.

    `within`: the collections that a token is for, None for all.
    """
    if collection is None:
        return
    if within is not None and collection not in within:
        raise UnknownCollection(f"No collection {collection!r}.")
    collections.get(tx, collection)
