"""Change a JSON document at random and keep it one: bytes at random are hardly ever JSON."""

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from typing import Any, Final

from tests.bad_input.mutating import mutated

_VALUES: Final = (
    None, True, False, 0, -1, 2**31, 2**63, -(2**64), 10**40, 0.5, -0.0, 1e308, float("inf"), float("nan"), "", " ",
    "a", "\0", "\ud800", "\u202e", "../../a", "x" * 3_000, "0" * 36, "00000000-0000-0000-0000-000000000000", "1e9",
    "2026-01-01T00:00:00Z", [], {}, [[]], [None], {"a": []}, [0] * 300,
)  # fmt: skip  # a list of values reads better in lines than in a column


def mutated_json(content: bytes, rng: random.Random) -> bytes:
    """One to three parts of the document behind the first byte replaced, lost, doubled or moved; seldom its bytes."""
    try:
        document = [json.loads(content[1:])]  # in a list, so that the whole has a place like any part
    except (ValueError, RecursionError):
        return mutated(content, rng)
    for _ in range(rng.choice([1, 1, 2, 3])):
        places = list(_places(document))
        with suppress(IndexError, KeyError):  # of a place that the last change took away
            _change(*rng.choice(places), rng.choice(places), rng)
    kept = json.dumps(document[0] if document else None).encode()
    first = bytes([rng.randrange(256)]) if rng.random() < 0.1 else content[:1]
    return mutated(first + kept, rng) if rng.random() < 0.1 else first + kept


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with every key or index in it."""
    keys = range(len(node)) if isinstance(node, list) else list(node)
    for key in keys:
        yield node, key
        if isinstance(node[key], list | dict):
            yield from _places(node[key])


def _change(node: Any, key: Any, other: tuple[Any, Any], rng: random.Random) -> None:
    kind = rng.randrange(5)
    if kind == 0:
        del node[key]
    elif kind == 1:
        node[key] = deepcopy(other[0][other[1]])  # a document in itself would have no end
    elif kind == 2 and isinstance(node, list):
        node.extend([node[key]] * rng.choice([1, 100]))
    elif kind == 2:
        node[str(rng.choice(_VALUES))] = node[key]
    else:
        node[key] = deepcopy(rng.choice(_VALUES))
