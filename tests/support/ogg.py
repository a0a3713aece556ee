"""Ogg pages (RFC 3533) written by hand, honest checksums and all, for streams that no encoder would make."""

import struct
from collections.abc import Iterable, Iterator
from typing import Final

_HEADER_BYTES: Final = 27
_POLYNOMIAL: Final = 0x04C1_1DB7


def _entry(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = (value << 1) ^ (_POLYNOMIAL if value & 0x8000_0000 else 0)
    return value & 0xFFFF_FFFF


_TABLE: Final = tuple(_entry(byte) for byte in range(256))


def page(packets: Iterable[bytes], number: int, position: int, *, first: bool = False, last: bool = False) -> bytes:
    """One page of whole packets that ends at a position in samples."""
    bodies = list(packets)
    lacing = b"".join(b"\xff" * (len(body) // 255) + bytes([len(body) % 255]) for body in bodies)
    flags = 2 * first + 4 * last
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, position, 1, number, 0, len(lacing))
    return with_checksums(head + lacing + b"".join(bodies))


def with_checksums(content: bytes) -> bytes:
    """The same pages with the checksums that they should have, as far as they are in step."""
    mended = bytearray(content)
    for start, end in _extents(content):
        mended[start + 22 : start + 26] = bytes(4)
        mended[start + 22 : start + 26] = _checksum(mended[start:end]).to_bytes(4, "little")
    return bytes(mended)


def _extents(content: bytes) -> Iterator[tuple[int, int]]:
    start = 0
    while content[start : start + 4] == b"OggS" and len(content) >= start + _HEADER_BYTES:
        n_lacing = content[start + 26]
        table = content[start + _HEADER_BYTES : start + _HEADER_BYTES + n_lacing]
        end = start + _HEADER_BYTES + n_lacing + sum(table)
        if end > len(content):
            return
        yield start, end
        start = end


def _checksum(content: bytes | bytearray) -> int:
    value = 0
    for byte in content:
        value = (value << 8 & 0xFFFF_FFFF) ^ _TABLE[value >> 24 ^ byte]
    return value


def opus(packets: Iterable[bytes], samples_each: int, channels: int = 1) -> bytes:
    """An Opus stream (RFC 7845) of packets of so many samples each at 48 kHz."""
    head = b"OpusHead\x01" + bytes([channels]) + bytes(2) + struct.pack("<I", 48_000) + bytes(3)
    tags = b"OpusTags" + struct.pack("<I", 4) + b"none" + bytes(4)
    pages = [page([head], 0, 0, first=True), page([tags], 1, 0)]
    bodies = list(packets)
    for start in range(0, len(bodies), 200):
        part = bodies[start : start + 200]
        end = start + len(part)
        pages.append(page(part, len(pages), end * samples_each, last=end == len(bodies)))
    return b"".join(pages)
