"""The members of a tar, one after the other, from any of them on; damage is told, and nobody chooses our memory."""

import tarfile
from collections.abc import Callable, Iterator
from typing import IO, Final, TypeVar, cast

from services.ingest.archives.compressed import ERRORS
from services.ingest.archives.entries import Entry
from services.ingest.archives.errors import BrokenArchive, MemberLink, MemberSparse, MemberSpecial
from services.ingest.archives.sources import Source, Window
from shared.errors import RejectedInput

MAX_HEADER_BYTES: Final = 1 << 16
"""Of one member, long names and extended headers included: Python's reader would hold whatever is announced."""

T = TypeVar("T")


def entries(source: Source, start: int) -> Iterator[Entry]:
    """From the header at byte `start` on. Raises BrokenArchive where the tar breaks off, and what the source raises."""
    headers = _Headers(source)
    _named(lambda: source.seek(start))
    try:
        tar = _named(lambda: _opened(headers))
    except _End:
        return
    before = start
    while (member := _named(lambda: _next(tar, headers))) is not None:
        if tar.offset <= before or member.size < 0:  # it would go in circles
            raise BrokenArchive(f"The header at byte {before} leads back.")
        before = tar.offset
        yield _entry(member, source, tar.offset)


def _entry(member: tarfile.TarInfo, source: Source, after: int) -> Entry:
    return Entry(
        name=member.name,
        is_folder=member.isdir(),
        size_bytes=member.size,
        at=member.offset,
        after=after,
        open=lambda: Window(source, member.offset_data, member.size),
        fault=_fault(member),
    )


def _fault(member: tarfile.TarInfo) -> RejectedInput | None:
    if member.issym() or member.islnk():
        return MemberLink()
    if member.issparse():
        return MemberSparse(f"It claims {member.size} bytes.")
    return None if member.isreg() or member.isdir() else MemberSpecial()


class _Headers:
    """What Python's reader sees of the source: headers, up to a limit for each member."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.left_bytes = MAX_HEADER_BYTES

    def read(self, n_bytes: int) -> bytes:
        """Raises BrokenArchive beyond the limit."""
        self.left_bytes -= n_bytes
        if n_bytes < 0 or self.left_bytes < 0:
            raise BrokenArchive(f"A member's header has more than {MAX_HEADER_BYTES} bytes.")
        return self._source.read(n_bytes)

    def seek(self, offset: int) -> int:
        """Go to a byte."""
        return self._source.seek(offset)

    def tell(self) -> int:
        """Where one is."""
        return self._source.tell()


class _End(Exception):
    """The block of zeros that ends a tar."""


class _StrictInfo(tarfile.TarInfo):
    """Python's reader takes a damaged header for the end of the tar, and a missing end too; this one tells."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> "_StrictInfo":
        """Raises _End, BrokenArchive."""
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.HeaderError as error:
            if isinstance(error, tarfile.EOFHeaderError):  # type: ignore[attr-defined]  # typeshed does not know it
                raise _End from None
            raise BrokenArchive(f"It breaks off or is damaged behind byte {tarfile_.offset}: {error}.") from error


def _opened(headers: _Headers) -> tarfile.TarFile:
    return tarfile.TarFile(
        fileobj=cast("IO[bytes]", headers), tarinfo=_StrictInfo, encoding="utf-8", errors="surrogateescape"
    )


def _next(tar: tarfile.TarFile, headers: _Headers) -> tarfile.TarInfo | None:
    headers.left_bytes = MAX_HEADER_BYTES
    try:
        member = tar.next()
    except _End:
        return None
    tar.members.clear()  # type: ignore[attr-defined]  # typeshed does not know them; tarfile would keep them all
    return member


def _named(read: Callable[[], T]) -> T:
    """Raises BrokenArchive for whatever the readers raise."""
    try:
        return read()
    except (tarfile.TarError, RecursionError, OverflowError, *ERRORS) as error:
        raise BrokenArchive(f"It cannot be read on: {error}.") from error
