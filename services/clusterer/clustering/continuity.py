"""Match fresh clusters to standing ones, so that an id means the same voice after a refit. Never unites two names.

Of all ways to give each fresh cluster at most one standing id, each id once, that with the most segments staying under
their id is taken (maximum-weight matching: Kuhn 1955). So of a split the largest part keeps the id, and after a merge
the larger one's id lives on. A named cluster most of whose members stay together goes before all others.
"""

from collections.abc import Hashable, Mapping
from collections.abc import Set as AbstractSet
from typing import TypeVar

import numpy as np

Member = TypeVar("Member", bound=Hashable)
Id = TypeVar("Id", bound=Hashable)


def matched(
    fresh: Mapping[int, AbstractSet[Member]], standing: Mapping[Id, AbstractSet[Member]], named: Mapping[Id, str]
) -> dict[int, Id | None]:
    """For each fresh cluster the standing id that it continues, or None for a new one.

    `named` is the name of each standing cluster that a person named. A fresh cluster that overlaps clusters of two
    names continues none of either unless most of the members that come from named clusters come from one name; an
    unnamed cluster's id is never preferred to a named one's.
    """
    fresh_numbers, standing_ids = list(fresh), list(standing)
    pairs = _overlaps([fresh[number] for number in fresh_numbers], [standing[key] for key in standing_ids])
    names = [named.get(key) for key in standing_ids]
    allowed = _allowed(pairs, names)
    result: dict[int, Id | None] = dict.fromkeys(fresh_numbers)
    total = sum(allowed.values()) + 1
    weights = {
        (at, place): count * (total if names[place] and 2 * count > len(standing[standing_ids[place]]) else 1)
        for (at, place), count in allowed.items()
    }
    for at, place in _heaviest(weights):
        result[fresh_numbers[at]] = standing_ids[place]
    return result


def _overlaps(fresh: list[AbstractSet[Member]], standing: list[AbstractSet[Member]]) -> dict[tuple[int, int], int]:
    """How many members each fresh and standing cluster share, where they share any."""
    holders: dict[Member, list[int]] = {}
    for place, members in enumerate(standing):
        for member in members:
            holders.setdefault(member, []).append(place)
    shared: dict[tuple[int, int], int] = {}
    for at, members in enumerate(fresh):
        for member in members:
            for place in holders.get(member, ()):
                shared[at, place] = shared.get((at, place), 0) + 1
    return shared


def _allowed(pairs: Mapping[tuple[int, int], int], names: list[str | None]) -> dict[tuple[int, int], int]:
    """Without the pairs by which a fresh cluster would inherit a name that is not that of most of its named members."""
    by_name: dict[int, dict[str, int]] = {}
    for (at, place), count in pairs.items():
        name = names[place]
        if name is not None:
            found = by_name.setdefault(at, {})
            found[name] = found.get(name, 0) + count
    return {
        (at, place): count
        for (at, place), count in pairs.items()
        if (name := names[place]) is None or 2 * by_name[at][name] > sum(by_name[at].values())
    }


def _heaviest(weights: Mapping[tuple[int, int], int]) -> list[tuple[int, int]]:
    """The matching of the largest total weight, piece by connected piece."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not weights:
        return []
    at, place = (np.array(side) for side in zip(*weights, strict=True))
    n_fresh, n_all = int(at.max()) + 1, int(at.max()) + int(place.max()) + 2
    touching = coo_array((np.ones(len(at), np.int8), (at, n_fresh + place)), shape=(n_all, n_all))
    _, piece = connected_components(touching, directed=False)
    edges: dict[int, list[tuple[int, int, int]]] = {}
    for (one, other), weight in weights.items():
        edges.setdefault(int(piece[one]), []).append((one, other, weight))
    return [match for some in edges.values() for match in _assigned(some)]


def _assigned(edges: list[tuple[int, int, int]]) -> list[tuple[int, int]]:
    from scipy.optimize import linear_sum_assignment

    fresh, standing = sorted({edge[0] for edge in edges}), sorted({edge[1] for edge in edges})
    row, column_of = {one: at for at, one in enumerate(fresh)}, {other: at for at, other in enumerate(standing)}
    weights = np.zeros((len(fresh), len(standing)))
    for one, other, weight in edges:
        weights[row[one], column_of[other]] = weight
    chosen = zip(*linear_sum_assignment(weights, maximize=True), strict=True)
    return [(fresh[at], standing[place]) for at, place in chosen if weights[at, place] > 0]
