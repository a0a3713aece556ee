"""Top-level boxes of MP4 and M4A (ISO 14496-12): is the index there, and do the boxes fit the file?"""

from typing import BinaryIO, Final

from services.ingest.decode.errors import Corrupt
from services.ingest.decode.headers.promise import Promise

_MAX_BOXES: Final = 1_000_000  # twelve hours in fragments of 50 ms


def promise(handle: BinaryIO, start: int, size: int) -> Promise:
    """Whether the file holds what its boxes promise; rate and duration are left to the demuxer."""
    position, has_index = start, False
    for _ in range(_MAX_BOXES):
        if size - position < 8:  # too few bytes for a box: the end, or padding
            break
        kind, length = _box(handle, position, size)
        if position + length > size:
            name = kind.decode("ascii", "replace")
            return _cut(f"The {name} box promises {length:,} bytes; {size - position:,} are there.")
        has_index = has_index or kind == b"moov"
        position += length
    else:
        raise Corrupt(f"The file has more than {_MAX_BOXES:,} boxes.")
    if not has_index:
        return _cut("The index (the moov box) is missing, which writers put last.")
    return Promise(complete=True, decoder="av", tolerance_s=0.15)


def _box(handle: BinaryIO, position: int, size: int) -> tuple[bytes, int]:
    handle.seek(position)
    head = handle.read(16)
    length, kind = int.from_bytes(head[:4], "big"), head[4:8]
    if length == 0:  # the last box may leave its length open
        return kind, size - position
    if length == 1:
        length = int.from_bytes(head[8:16], "big")
    if length < 8:
        raise Corrupt(f"A box claims to be {length} bytes long, less than its own header.")
    return kind, length


def _cut(sentence: str) -> Promise:
    return Promise(missing=sentence, decoder="av")
