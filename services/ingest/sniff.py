"""What a file is, by its content. Never looks at a name."""

from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, Final

from services.ingest.decode.errors import EmptyFile, NotAudio
from services.ingest.decode.headers.mp3 import parse_frame
from services.ingest.decode.looks import PICTURE_BRANDS, refusal

HEAD_BYTES: Final = 4096
_ID3_HEADER_BYTES: Final = 10
_MAX_ID3_TAGS: Final = 16
_MAX_PADDING_BYTES: Final = 1024 * 1024  # zeros that taggers leave between the tag and the audio


class Container(StrEnum):
    """The containers that Earmark reads."""

    WAV = "wav"
    FLAC = "flac"
    MP3 = "mp3"
    OGG = "ogg"
    MP4 = "mp4"


@dataclass(frozen=True, slots=True)
class Sniffed:
    """A container and the byte at which it begins, behind any ID3 tags."""

    container: Container
    start: int


def sniff(head: bytes) -> Container:
    """Name the container that a file's first bytes, 4 KiB or all of them, belong to.

    A file that begins with an ID3 tag longer than `head` is taken for MP3: use `sniff_file` where the file is at hand.
    Raises EmptyFile, NotAudio or UnsupportedContainer.
    """
    start = _behind_tags(head)
    if start >= len(head) > 0 and start > 0:
        return Container.MP3
    return _by_magic(head[start:])


def sniff_file(handle: BinaryIO) -> Sniffed:
    """Name the container of an open file and where it begins, whatever the length of its ID3 tags.

    Raises EmptyFile, NotAudio or UnsupportedContainer.
    """
    handle.seek(0)
    head = handle.read(HEAD_BYTES)
    start = 0
    for _ in range(_MAX_ID3_TAGS):
        length = _tag_length(head)
        if length == 0:
            break
        start += length
        handle.seek(start)
        head = handle.read(HEAD_BYTES)
    if start > 0:
        start += _padding_length(handle, head)
        handle.seek(start)
        head = handle.read(HEAD_BYTES)
        if not head:
            raise NotAudio("It is an ID3 tag with no audio behind it.")
    return Sniffed(_by_magic(head), start)


def _tag_length(head: bytes) -> int:
    """Bytes of the ID3v2 tag at the start (header and footer included), 0 where there is none."""
    if len(head) < _ID3_HEADER_BYTES or head[:3] != b"ID3" or any(byte & 0x80 for byte in head[6:10]):
        return 0
    length = 0
    for byte in head[6:10]:  # seven bits a byte
        length = length << 7 | byte
    footer = _ID3_HEADER_BYTES if head[5] & 0x10 else 0
    return _ID3_HEADER_BYTES + length + footer


def _behind_tags(head: bytes) -> int:
    start = 0
    while (length := _tag_length(head[start : start + _ID3_HEADER_BYTES])) > 0:
        start += length
    while 0 < start < len(head) and head[start] == 0:
        start += 1
    return start


def _padding_length(handle: BinaryIO, head: bytes) -> int:
    length = 0
    while head and length < _MAX_PADDING_BYTES:
        stripped = head.lstrip(b"\0")
        length += len(head) - len(stripped)
        if stripped:
            break
        head = handle.read(HEAD_BYTES)
    return length


def _by_magic(head: bytes) -> Container:
    if not head:
        raise EmptyFile
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return Container.WAV
    if head.startswith(b"fLaC"):
        return Container.FLAC
    if head.startswith(b"OggS"):
        return Container.OGG
    if head[4:8] == b"ftyp" and head[8:12] not in PICTURE_BRANDS:
        return Container.MP4
    if _is_mp3(head):
        return Container.MP3
    raise refusal(head)


def _is_mp3(head: bytes) -> bool:
    """Two frame headers in step; one is too easily met by chance."""
    frame = parse_frame(head)
    if frame is None:
        return False
    following = head[frame.n_bytes : frame.n_bytes + 4]
    if len(following) < 4:
        return True
    second = parse_frame(following)
    return second is not None and second.sample_rate_hz == frame.sample_rate_hz
