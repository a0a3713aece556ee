"""Streams of gzip, bzip2 and xz as sources, with memory that the file cannot choose."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from services.ingest.archives.bounds import Bounds
from services.ingest.archives.kinds import Kind
from services.ingest.archives.sources import Source, Stream
from shared.units import MIB

XZ_MEMORY_BYTES: Final = 128 * MIB
"""`xz -9` needs 65 MiB to unpack; a header may ask for 4 GiB."""

ERRORS: Final = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)
"""What these libraries raise for broken streams."""

_INPUT_BYTES: Final = 1 << 16
_MAGIC_BYTES: Final = 6


class _Decompressor(Protocol):
    """One stream, as bz2 and lzma have it."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


class _Gunzip:
    """zlib's, in the same form; the standard library's GzipFile reads a header byte by byte, however long it is."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        """At most `max_length` bytes, which is not 0."""
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


_KINDS: Final[Mapping[Kind, tuple[bytes, Callable[[], _Decompressor]]]] = {
    Kind.TAR_GZ: (b"\x1f\x8b", _Gunzip),
    Kind.TAR_BZ2: (b"BZh", bz2.BZ2Decompressor),
    Kind.TAR_XZ: (b"\xfd7zXZ\x00", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)),
}


def decompressed(source: Source, kind: Kind, bounds: Bounds) -> Stream:
    """The content of a compressed file; reading it raises ERRORS, ArchiveTooLarge, ArchiveExpansion."""
    return Stream(_Streams(source, *_KINDS[kind]).read, bounds.check_expanded)


def begun(head: bytes, kind: Kind, most_bytes: int) -> bytes:
    """What comes first out of a compressed file that begins so, as far as that can be told. Raises ERRORS."""
    _, new = _KINDS[kind]
    return new().decompress(head, most_bytes)


class _Streams:
    """One stream after the other, as these formats allow; zeros and garbage behind the last one are left alone."""

    def __init__(self, source: Source, magic: bytes, new: Callable[[], _Decompressor]) -> None:
        self._source, self._magic, self._new = source, magic, new
        self._stream: _Decompressor | None = new()
        self._input = b""

    def read(self, n_bytes: int) -> bytes:
        """Some bytes, none at the end. Raises EOFError where the stream breaks off, and ERRORS."""
        while self._stream is not None:
            stream = self._stream
            if stream.needs_input and not self._input:
                self._input = self._source.read(_INPUT_BYTES)
            given, self._input = self._input, b""
            found = stream.decompress(given, n_bytes)
            if stream.eof:
                self._input = stream.unused_data
                self._stream = self._new() if self._next_begins() else None
            elif not given and not found:
                raise EOFError("the stream breaks off")
            if found:
                return found
        return b""

    def _next_begins(self) -> bool:
        self._input = self._input.lstrip(b"\0")
        while len(self._input) < _MAGIC_BYTES and (more := self._source.read(_INPUT_BYTES)):
            self._input = (self._input + more).lstrip(b"\0")
        return self._input.startswith(self._magic)
