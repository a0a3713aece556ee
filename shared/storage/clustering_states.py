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


def state(tx: Transaction, collection: str, space: str, generation: int) -> bytes | None:
    """What a generation left for the next clustering; None if nothing is left."""
    return _read(tx, clustering_state.c.state, collection, space, generation)


def standing(tx: Transaction, collection: str, space: str, generation: int) -> bytes | None:
    """What arrivals are compared with while a generation stands; None before the first clustering."""
    return _read(tx, clustering_state.c.standing, collection, space, generation)


def _read(tx: Transaction, column: sa.Column[bytes], collection: str, space: str, generation: int) -> bytes | None:
    own = (clustering_state.c.collection == collection, clustering_state.c.space == space)
    of_generation = sa.select(column).where(*own, clustering_state.c.generation == generation)
    found: bytes | None = tx.execute(of_generation).scalar_one_or_none()
    return found


_WRITE = sa.text("""
    INSERT INTO clustering_state (collection, space, generation, state, standing)
    VALUES (:collection, :space, :generation, :state, :standing)
""")
_FORGET = sa.text("""
    DELETE FROM clustering_state WHERE collection = :collection AND space = :space AND generation < :generation - 1
""")


def write(tx: Transaction, collection: str, space: str, left: Left) -> None:
    """Keep it beside what the generation before it left, and nothing older."""
    key = {"collection": collection, "space": space, "generation": left.generation}
    tx.execute(_WRITE, {**key, "state": left.state, "standing": left.standing})
    tx.execute(_FORGET, key)


# The bytes stay where they are: only the number changes.
_BRING_BACK = sa.text("""
    UPDATE clustering_state SET generation = :generation
    WHERE collection = :collection AND space = :space AND generation = :generation - 2
""")


def bring_back(tx: Transaction, collection: str, space: str, generation: int) -> None:
    """Let this generation have what the one before the last left; what the last left is kept beside it."""
    tx.execute(_BRING_BACK, {"collection": collection, "space": space, "generation": generation})
