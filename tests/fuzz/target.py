"""What a fuzz target is: a function that bytes from strangers go into, and that must not be surprised."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.bad_input.mutating import mutated


@dataclass(frozen=True, slots=True)
class Target:
    """`run` raises if the bytes broke a promise; `seeds` are what mutation begins with."""

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    mutate: Callable[[bytes, random.Random], bytes] = mutated
