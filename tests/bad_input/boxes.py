"""MP4 boxes (ISO 14496-12) taken apart and put together again, to write what no muxer would."""

from collections.abc import Iterator
from typing import Final

_PARENTS: Final = frozenset({b"moov", b"trak", b"mdia", b"minf", b"dinf"})


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    while len(content) >= 8:
        length = int.from_bytes(content[:4], "big")
        yield content[4:8], content[8:length]
        content = content[length:]


def box(kind: bytes, body: bytes) -> bytes:
    """A box of that kind."""
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def with_audio_elsewhere(content: bytes, entry: bytes) -> bytes:
    """The same file, its index behind its audio, whose tracks name another place for their samples."""
    reference = box(b"dref", bytes(4) + (1).to_bytes(4, "big") + entry)
    return b"".join(_replaced(kind, body, reference) for kind, body in _boxes(content))


def url(address: str) -> bytes:
    """A reference to an address."""
    return box(b"url ", bytes(4) + address.encode() + b"\0")


def alias(path: str) -> bytes:
    """A reference to a file as Macintoshes wrote them, the only kind that FFmpeg knows how to follow."""
    name, place = path.rpartition("/")[2].encode(), path.encode()
    names = b"\x04disk".ljust(28, b"\0") + bytes(12) + (bytes([len(name)]) + name).ljust(64, b"\0")
    levels = b"\0\x01\0\x01"  # up and down to the file from here
    absolute = b"\0\x02" + len(place).to_bytes(2, "big") + place + bytes(len(place) & 1) + b"\xff\xff\0\0"
    return box(b"alis", bytes(4) + bytes(10) + names + bytes(16) + levels + bytes(16) + absolute)


def _replaced(kind: bytes, body: bytes, reference: bytes) -> bytes:
    if kind == b"dref":
        return reference
    if kind in _PARENTS:
        return box(kind, b"".join(_replaced(inner, rest, reference) for inner, rest in _boxes(body)))
    return box(kind, body)
