"""Bytes to read archives from: an object by ranges, a stretch of a file, a stream that knows no way back."""

import io
from collections.abc import Callable
from typing import Final, Protocol

from shared.errors import TransientError
from shared.storage.objects import ObjectStore, RangeGone, StoredObject

BLOCK_BYTES: Final = 1 << 20
RANGE_BYTES: Final = 4 << 20
"""Of one request to the object store; all that is held of an archive in memory."""


class ObjectChanged(TransientError):
    """The archive was overwritten while it was read; what lies there now is unpacked by itself."""

    code = "object_changed"


class Source(Protocol):
    """A file to read from. Only where it is `random` may one seek back."""

    random: bool

    def read(self, n_bytes: int, /) -> bytes:
        """As many bytes as asked for, unless the file ends before."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a byte; where the source is not random, to a later one only."""

    def tell(self) -> int:
        """Where one is."""

    def peek(self, n_bytes: int) -> bytes:
        """The next bytes, which stay to be read."""


class _Seeking(io.RawIOBase):
    """A file of so many bytes, with a place in it."""

    def __init__(self, size_bytes: int) -> None:
        self._size, self._at = size_bytes, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes, if only forward where it is not random."""
        return True

    def tell(self) -> int:
        """Where one is."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte. Raises ValueError for one before the first."""
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if at < 0:
            raise ValueError("before the beginning")
        self._at = at
        return at


class _Ranges(_Seeking):
    """An object of the store as a file. Every answer must come from the same version of it."""

    def __init__(self, objects: ObjectStore, stored: StoredObject) -> None:
        super().__init__(stored.size_bytes)
        self._objects, self._stored = objects, stored

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader hands over
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        try:
            part = self._objects.read(self._stored.bucket, self._stored.key, self._at, wanted)
        except RangeGone:
            raise ObjectChanged from None
        if part.etag != self._stored.etag:
            raise ObjectChanged
        buffer[: len(part.content)] = part.content
        self._at += len(part.content)
        return len(part.content)


class StoredSource(io.BufferedReader):
    """An object of the store, a few MiB at a time.

    Reading raises ObjectGone, ObjectChanged and what else the store raises.
    """

    random = True

    def __init__(self, objects: ObjectStore, stored: StoredObject) -> None:
        super().__init__(_Ranges(objects, stored), RANGE_BYTES)

    def peek(self, n_bytes: int) -> bytes:  # type: ignore[override]  # as Source has it
        """The next bytes, all of them, which stay to be read."""
        return peeked(self, n_bytes)


class FileSource(io.BufferedReader):
    """A local file that nobody else knows, closed and gone with this."""

    random = True

    def peek(self, n_bytes: int) -> bytes:  # type: ignore[override]  # as Source has it
        """The next bytes, all of them, which stay to be read."""
        return peeked(self, n_bytes)


class Window(_Seeking):
    """A stretch of another source as a file of its own, as random as that one."""

    def __init__(self, source: Source, start: int, size_bytes: int, most_at_once: int | None = None) -> None:
        """`most_at_once`: a read of more bytes, which would all be held in memory, raises OverflowError."""
        super().__init__(size_bytes)
        self.random = source.random
        self._source, self._start, self._most = source, start, most_at_once

    def read(self, n_bytes: int = -1) -> bytes:
        """As many bytes as asked for, unless the window ends before."""
        n_left = max(0, self._size - self._at)
        wanted = n_left if n_bytes < 0 else min(n_bytes, n_left)
        if self._most is not None and wanted > self._most:
            raise OverflowError(f"{wanted} bytes at once")
        self._source.seek(self._start + self._at)
        found = self._source.read(wanted)
        self._at += len(found)
        return found

    def peek(self, n_bytes: int) -> bytes:
        """The next bytes, which stay to be read."""
        self._source.seek(self._start + self._at)
        return self._source.peek(min(n_bytes, max(0, self._size - self._at)))


class Stream:
    """What comes out of a decompressor, forward only: going back would mean to begin again, again and again."""

    random = False

    def __init__(self, read: Callable[[int], bytes], check: Callable[[int], None]) -> None:
        """`check` hears how many bytes have come out so far, and may raise."""
        self._read, self._check = read, check
        self._ahead = b""
        self._at = 0

    def tell(self) -> int:
        """Where one is."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Read on to a byte, or to the end. Raises io.UnsupportedOperation for one that has gone by."""
        if whence != io.SEEK_SET or offset < self._at:
            raise io.UnsupportedOperation("this source knows no way back")
        while self._at < offset and self.read(min(BLOCK_BYTES, offset - self._at)):
            pass
        return self._at

    def read(self, n_bytes: int) -> bytes:
        """As many bytes as asked for, unless the stream ends before."""
        self._fill(n_bytes)
        found, self._ahead = self._ahead[:n_bytes], self._ahead[n_bytes:]
        self._at += len(found)
        return found

    def peek(self, n_bytes: int) -> bytes:
        """The next bytes, which stay to be read."""
        self._fill(n_bytes)
        return self._ahead[:n_bytes]

    def _fill(self, n_bytes: int) -> None:
        while len(self._ahead) < n_bytes:
            block = self._read(n_bytes - len(self._ahead))
            if not block:
                return
            self._ahead += block
            self._check(self._at + len(self._ahead))


def peeked(file: io.BufferedReader, n_bytes: int) -> bytes:
    """The next bytes of a file that one can seek in."""
    at = file.tell()
    found = file.read(n_bytes)
    file.seek(at)
    return found
