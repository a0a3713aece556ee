"""The members of a zip in the order of their bytes, from any of them on; each is checked, and costs no other."""

import stat
import struct
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Final, cast

from services.ingest.archives.bounds import Bounds
from services.ingest.archives.compressed import ERRORS
from services.ingest.archives.entries import Entry
from services.ingest.archives.errors import (
    BrokenArchive,
    MemberCompression,
    MemberDamaged,
    MemberEncrypted,
    MemberLink,
    TooManyMembers,
)
from services.ingest.archives.sources import Source, Stream, Window
from shared.errors import RejectedInput
from shared.units import MIB

MAX_DIRECTORY_BYTES: Final = 16 * MIB
"""Of a zip's list of members, which is held in memory: some 150,000 of them. A tar has no such list, and no limit."""

ZIP_ERRORS: Final = (zipfile.BadZipFile, NotImplementedError, struct.error, RuntimeError, OverflowError, *ERRORS)
_READ: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2})  # LZMA's memory has no limit
_ENCRYPTED: Final = 0x1
_UTF8: Final = 0x800


def entries(source: Source, size_bytes: int, start: int, bounds: Bounds) -> Iterator[Entry]:
    """From the `start`-th on, of a random source. Raises BrokenArchive, TooManyMembers and what the source raises."""
    window = Window(source, 0, size_bytes, most_at_once=MAX_DIRECTORY_BYTES)
    try:
        archive = zipfile.ZipFile(cast("IO[bytes]", window))
    except OverflowError as error:
        raise TooManyMembers("The list of its members has more than 16 MiB; a tar may have as many.") from error
    except ZIP_ERRORS as error:
        raise BrokenArchive(f"It is cut off or damaged: {error}.") from error
    members = sorted(archive.infolist(), key=lambda member: member.header_offset)
    for number, member in enumerate(members[start:], start):
        yield Entry(
            name=_name(member),
            is_folder=member.filename.endswith("/"),  # is_dir() of a name without a letter raises IndexError
            size_bytes=member.file_size,
            at=number,
            after=number + 1,
            open=lambda member=member: _open(archive, member, bounds),  # type: ignore[misc]  # each its own
            fault=_fault(member),
            unreadable=MemberDamaged,
        )


def _open(archive: zipfile.ZipFile, member: zipfile.ZipInfo, bounds: Bounds) -> Stream:
    try:
        return Stream(archive.open(member).read, bounds.check_expanded)
    except ZIP_ERRORS as error:
        raise MemberDamaged(f"It cannot be read: {error}.") from error


def _fault(member: zipfile.ZipInfo) -> RejectedInput | None:
    if member.flag_bits & _ENCRYPTED:
        return MemberEncrypted()
    if stat.S_ISLNK(member.external_attr >> 16):
        return MemberLink()
    return None if member.compress_type in _READ else MemberCompression()


def _name(member: zipfile.ZipInfo) -> str:
    """In UTF-8 where the zip says so or the bytes are, else in code page 437, as the format has it (APPNOTE, D.1).

    Windows' own packer once wrote backslashes between folders.
    """
    name = member.orig_filename
    if not member.flag_bits & _UTF8:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")
