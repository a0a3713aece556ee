"""Ogg pages (RFC 3533): chained links, a page cut off, an end never marked."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from services.ingest.decode.errors import Corrupt
from services.ingest.decode.headers.promise import Promise

_HEADER_BYTES: Final = 27
_MAX_PAGES: Final = 3_000_000  # twelve hours in pages of 15 ms
_BEGINS, _ENDS = 2, 4  # header type flags
_NO_POSITION: Final = -1  # of a page on which no packet ends
_LATE_START_S: Final = 10.0  # a stream cut out of a longer one: its positions do not begin at 0


@dataclass(slots=True)
class _Link:
    """One logical audio stream, as its pages show it."""

    sample_rate_hz: int
    channels: int
    codec: str
    skipped: int  # samples before the audio begins: Opus's pre-skip
    first: int | None = None  # position on the first page with audio
    last: int = 0
    ended: bool = False


@dataclass(frozen=True, slots=True)
class _Page:
    flags: int
    position: int
    serial: int
    body: bytes  # its beginning, where a stream begins
    missing: int  # bytes that the page promises beyond the end of the file


def promise(handle: BinaryIO, start: int, size: int) -> Promise:
    """Duration of all links together, and whether the last page is whole and marked as the end.

    Raises Corrupt for pages without end.
    """
    links: dict[int, _Link] = {}
    missing, any_data = "", False
    for page in _pages(handle, start, size):
        if page.missing:
            missing = f"The last page promises {page.missing:,} bytes more than the file has."
            break
        if page.flags & _BEGINS:
            link = _link(page.body)
            if link is not None and (any_data or not links):  # a second stream beside the first is not ours
                links[page.serial] = link
                any_data = False
        elif page.serial in links:
            any_data = _advance(links[page.serial], page) or any_data
    if not links:
        return Promise(decoder="av", missing=missing)
    return _summary(list(links.values()), missing)


def _summary(links: list[_Link], missing: str) -> Promise:
    durations_s = [_duration_s(link) for link in links]
    one_vorbis = len(links) == 1 and links[0].codec == "vorbis"
    notes = ("chained",) if len(links) > 1 else ()
    return Promise(
        sample_rate_hz=links[0].sample_rate_hz,
        channels=links[0].channels,
        duration_s=None if None in durations_s else sum(s for s in durations_s if s is not None),
        tolerance_s=0.1 * len(links),
        missing=missing,
        complete=True,
        decoder="soundfile" if one_vorbis else "av",  # libsndfile reads the first link and stops
        notes=notes if links[-1].ended else (*notes, "no_end_of_stream"),
    )


def _advance(link: _Link, page: _Page) -> bool:
    """Note how far a page brings its stream; true if it carries audio."""
    link.ended = link.ended or bool(page.flags & _ENDS)
    if page.position in (0, _NO_POSITION):  # header pages stand at 0
        return False
    link.first = page.position if link.first is None else link.first
    link.last = page.position
    return True


def _duration_s(link: _Link) -> float | None:
    if link.first is not None and link.first > _LATE_START_S * link.sample_rate_hz:
        return None
    return max(0, link.last - link.skipped) / link.sample_rate_hz


def _pages(handle: BinaryIO, start: int, size: int) -> Iterator[_Page]:
    """Each page's header, skipping the bodies; stops where the pages lose step, which the decoder will report.

    Raises Corrupt for pages without end.
    """
    place = start
    for _ in range(_MAX_PAGES):
        if place >= size:
            return
        handle.seek(place)
        head = handle.read(_HEADER_BYTES)
        if not b"OggS".startswith(head[:4]):
            return
        table = handle.read(head[26]) if len(head) == _HEADER_BYTES else b""
        if len(head) < _HEADER_BYTES or len(table) < head[26]:
            yield _Page(0, 0, 0, b"", _HEADER_BYTES + (head[26] if len(head) > 26 else 0) - (size - place))
            return
        flags, position, serial = struct.unpack("<xxxxxBqI", head[:18])
        n_body = sum(table)
        body = handle.read(min(n_body, 64)) if flags & _BEGINS else b""
        place += _HEADER_BYTES + len(table) + n_body
        yield _Page(flags, position, serial, body, max(0, place - size))
    raise Corrupt(f"The file has more than {_MAX_PAGES:,} pages.")


def _link(packet: bytes) -> _Link | None:
    """The stream that a first packet announces, if it is audio that Earmark reads."""
    if packet.startswith(b"\x01vorbis") and len(packet) >= 16:
        return _valid(_Link(int.from_bytes(packet[12:16], "little"), packet[11], "vorbis", 0))
    if packet.startswith(b"OpusHead") and len(packet) >= 12:
        return _valid(_Link(48_000, packet[9], "opus", int.from_bytes(packet[10:12], "little")))
    if packet.startswith(b"\x7fFLAC") and len(packet) >= 30:  # STREAMINFO as in a FLAC file, 9 bytes later
        return _valid(_Link(int.from_bytes(packet[27:30], "big") >> 4, (packet[29] >> 1 & 7) + 1, "flac", 0))
    return None


def _valid(link: _Link) -> _Link | None:
    return link if link.sample_rate_hz > 0 and link.channels > 0 else None
