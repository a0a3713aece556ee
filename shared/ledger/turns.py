"""Whose turn it is: a queue's room is shared out between the collections that wait, by their weights. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Due:
    """A collection with deliveries that are due."""

    collection: str
    weight: int
    room: int  # deliveries that it may have out, besides those that it has


def shares(waiting: Sequence[Due], most: int, after: str) -> dict[str, int]:
    """How many deliveries of `most` each collection may send, in the order of their turns, which begin behind `after`.

    Weighted round robin: a share of the room as large as the collection's of all weights, and one at least, so that
    where there are more collections than room the next round begins where this one ended.
    """
    weights = sum(one.weight for one in waiting)
    given: dict[str, int] = {}
    for one in sorted(waiting, key=lambda one: (one.collection <= after, one.collection)):
        given[one.collection] = min(one.room, most - sum(given.values()), max(1, most * one.weight // weights))
    return {collection: share for collection, share in given.items() if share > 0}


def topped_up(given: dict[str, int], taken: dict[str, int], waiting: Sequence[Due], most: int) -> dict[str, int]:
    """The shares again, with what some collections left over given to those that took all of theirs; {} if none can."""
    left = most - sum(taken.values())
    rooms = {one.collection: one.room for one in waiting}
    hungry = {name for name, share in given.items() if taken.get(name) == share and rooms[name] > share}
    if not hungry or left <= 0:
        return {}
    extra = -(-left // len(hungry))
    return {name: min(share + extra, rooms[name]) if name in hungry else share for name, share in given.items()}
