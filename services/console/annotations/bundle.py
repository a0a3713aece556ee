"""Several annotation files in one request: a zip archive that is unpacked in memory, within limits."""

import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Final

from services.console.annotations.text import MAX_FILE_BYTES
from services.console.annotations.turns import TooManyAnnotations
from shared.errors import InvalidRequest
from shared.units import MIB

MAX_UNPACKED_BYTES: Final = 64 * MIB
MAX_FILES: Final = 20_000
_MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06")
_DAMAGES: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, KeyError)
"""What the module `zipfile` raises for archives that are damaged, encrypted, or packed by an unknown method."""


class BadArchive(InvalidRequest):
    """Pack the annotation files with zip again, without a password."""

    code = "bad_archive"


def files_in(raw: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of a zip archive, one after the other; what is no archive is a file of that name.

    Raises BadArchive, TooManyAnnotations.
    """
    if not raw.startswith(_MAGIC):
        yield name, raw
        return
    left = MAX_UNPACKED_BYTES
    try:
        with zipfile.ZipFile(BytesIO(raw)) as archive:
            for entry in _entries(archive):
                content = _content(archive, entry, min(MAX_FILE_BYTES, left))
                left -= len(content)
                yield entry.filename, content
    except _DAMAGES as error:
        raise BadArchive(f"The archive cannot be read: {str(error)[:200]}.") from None


def _entries(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir() and "__MACOSX" not in entry.filename]
    if len(entries) > MAX_FILES:
        raise TooManyAnnotations(f"The archive has {len(entries)} files; {MAX_FILES} are read.")
    return entries


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most_bytes: int) -> bytes:
    """Never more than is allowed, whatever the archive's own table says."""
    with archive.open(entry) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise TooManyAnnotations(f"{entry.filename} makes the archive larger than {MAX_UNPACKED_BYTES} bytes.")
    return content
