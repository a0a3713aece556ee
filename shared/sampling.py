"""Which recordings a sample holds: a function of the seed and of what each is called, never of an order or a machine.

Every identity (an object's key below its collection) has a ticket, a SHA-256 of the seed, its stratum and itself; the
lowest tickets are drawn. So a larger sample of the same seed contains the smaller one, and nothing depends on a random
number generator. `shared/storage/subsets.py` draws by the same tickets in SQL, where a collection has millions of keys.
"""

import heapq
from collections.abc import Iterable, Mapping
from hashlib import sha256
from operator import itemgetter
from typing import Final

SMALL: Final = 5
"""A stratum from which fewer are drawn says little of itself, and is reported."""


def ticket(seed: int, stratum: str, identity: str) -> bytes:
    """32 bytes; a zero byte, which no key and no text of Postgres holds, keeps the three parts apart."""
    return sha256(f"{seed}\0{stratum}\0{identity}".encode()).digest()


def target(n: int, percent: float, at_most: int | None = None) -> int:
    """How many of `n` are wanted; Python's `round`, as the extraction scripts have it: halves go to the even number."""
    wanted = round(n * percent / 100)
    return wanted if at_most is None else min(wanted, at_most)


def quotas(sizes: Mapping[str, int], n: int) -> dict[str, int]:
    """Share `n` among strata in proportion to their sizes, exactly: floors, then the largest remainders (Hamilton).

    Of equal remainders the stratum whose name comes first gets one. `n` is at most the sum of the sizes.
    """
    total = sum(sizes.values())
    shares = {name: divmod(size * n, total) if total else (0, 0) for name, size in sizes.items()}
    left = n - sum(floor for floor, _ in shares.values())
    by_remainder = sorted(shares, key=lambda name: (-shares[name][1], name))
    extra = set(by_remainder[:left])
    return {name: floor + (name in extra) for name, (floor, _) in shares.items()}


def random_sample(identities: Iterable[str], n: int, seed: int, stratum: str = "") -> list[str]:
    """The `n` lowest tickets, lowest first; all there are if there are fewer. Holds no more than `n` in memory."""
    tickets = ((ticket(seed, stratum, identity), identity) for identity in identities)
    return [identity for _, identity in heapq.nsmallest(n, tickets)]


def stratified_sample(strata: Mapping[str, Iterable[str]], n: int, seed: int) -> dict[str, list[str]]:
    """`n` in all, in proportion to the strata, of each those with the lowest tickets."""
    found = {name: list(identities) for name, identities in strata.items()}
    shares = quotas({name: len(identities) for name, identities in found.items()}, n)
    return {name: random_sample(found[name], share, seed, name) for name, share in shares.items()}


def group_sample(sizes: Mapping[str, int], n: int, seed: int, stratum: str = "") -> list[str]:
    """Whole groups in the order of their tickets, as many as come nearest to `n` members; of two as near, the fewer.

    A larger `n` takes more groups in the same order, never others.
    """
    taken: list[str] = []
    before = 0
    for _, name in sorted(((ticket(seed, stratum, name), name) for name in sizes), key=itemgetter(0)):
        after = before + sizes[name]
        if before + after >= 2 * n:  # without it we are as near to n, or nearer
            break
        taken.append(name)
        before = after
    return taken
