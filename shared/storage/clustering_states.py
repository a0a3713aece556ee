"""What one clustering leaves for the next one and for arrivals, as bytes that only the clusterer reads."""

from dataclasses import dataclass

import sqlalchemy as sa

from shared.storage.database import Transaction
from shared.storage.tables import clustering_state


@dataclass(frozen=True, slots=True)
class Left:
    """Of one generation: `state` begins the next clustering, `standing` is what arrivals are compared with."""

    generation: int
    state: bytes
    standing: bytes


def state(tx: Transaction, collection: str, space: str) -> bytes | None:
    """What the last clustering left for the next one; None if nothing is left."""
    return _read(tx, clustering_state.c.state, collection, space)


def standing(tx: Transaction, collection: str, space: str) -> bytes | None:
    """What arrivals are compared with; None before the first clustering."""
    return _read(tx, clustering_state.c.standing, collection, space)


def _read(tx: Transaction, column: sa.Column[bytes], collection: str, space: str) -> bytes | None:
    own = (clustering_state.c.collection == collection, clustering_state.c.space == space)
    found: bytes | None = tx.execute(sa.select(column).where(*own)).scalar_one_or_none()
    return found


_WRITE = sa.text("""
    INSERT INTO clustering_state (collection, space, generation, state, standing)
    VALUES (:collection, :space, :generation, :state, :standing)
    ON CONFLICT (collection, space) DO UPDATE SET
        generation = excluded.generation, state = excluded.state, standing = excluded.standing
""")


def write(tx: Transaction, collection: str, space: str, left: Left | None) -> None:
    """Keep it in place of what was left before; None: nothing is left."""
    if left is None:
        own = (clustering_state.c.collection == collection, clustering_state.c.space == space)
        tx.execute(sa.delete(clustering_state).where(*own))
        return
    values = {"generation": left.generation, "state": left.state, "standing": left.standing}
    tx.execute(_WRITE, {"collection": collection, "space": space, **values})
