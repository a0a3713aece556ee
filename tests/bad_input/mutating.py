"""Change a valid file at random, as a bad disk, a bad line or a bad person would."""

import random
from collections.abc import Callable
from typing import Final

from tests.support.ogg import with_checksums

_TELLING: Final = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """One to four changes of one to many bytes, most of them near the beginning, where headers are."""
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4])):
        if changed:
            rng.choice(_CHANGES)(changed, rng)
    if changed[:4] == b"OggS" and rng.random() < 0.7:  # else nothing but the checksum is ever tried
        return with_checksums(bytes(changed))
    return bytes(changed)


def _place(changed: bytearray, rng: random.Random) -> int:
    reach = rng.choice([64, 512, len(changed)])
    return rng.randrange(min(reach, len(changed)))


def _bytes(changed: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 1, 4, 32])):
        changed[_place(changed, rng)] = rng.randrange(256)


def _bit(changed: bytearray, rng: random.Random) -> None:
    changed[_place(changed, rng)] ^= 1 << rng.randrange(8)


def _number(changed: bytearray, rng: random.Random) -> None:
    """A field of one to eight bytes set to what programs forget to think of."""
    place, width = _place(changed, rng), rng.choice([1, 2, 4, 8])
    value = rng.choice([*_TELLING, len(changed), len(changed) - 1]) % 2 ** (8 * width)
    field = value.to_bytes(width, rng.choice(["little", "big"]))
    changed[place : place + width] = field[: len(changed) - place]


def _cut_out(changed: bytearray, rng: random.Random) -> None:
    place = _place(changed, rng)
    del changed[place : place + rng.randrange(1, 200)]


def _doubled(changed: bytearray, rng: random.Random) -> None:
    place = _place(changed, rng)
    changed[place:place] = changed[place : place + rng.randrange(1, 200)]


def _moved(changed: bytearray, rng: random.Random) -> None:
    source, target, length = _place(changed, rng), _place(changed, rng), rng.randrange(1, 64)
    part = changed[source : source + length]
    changed[target : target + len(part)] = part


def _ended(changed: bytearray, rng: random.Random) -> None:
    del changed[rng.randrange(len(changed)) :]


_CHANGES: Final[tuple[Callable[[bytearray, random.Random], None], ...]] = (
    _bytes, _bytes, _bit, _bit, _number, _number, _number, _cut_out, _doubled, _moved, _ended,
)  # fmt: skip  # the more often named, the more often done
