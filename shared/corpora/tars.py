"""Look into tar files that strangers made: what is no plain file at a plain place is refused, and a broken end too."""

import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, Final

from shared.errors import PermanentError

BLOCK_BYTES: Final = 1 << 20
_MAX_PART_BYTES: Final = 255
"""Of one part of a path, on the file systems in use."""


class BrokenTar(PermanentError):
    """Fetch the tar anew; nothing of a broken one is kept."""

    code = "broken_tar"


class UnsafeTar(PermanentError):
    """The tar was not made by its publisher as it is: fetch it from there. Nothing of it is kept."""

    code = "unsafe_tar"


class TarTooLarge(PermanentError):
    """A contributor's tar is not as large as this; look at what it holds. Nothing of it is kept."""

    code = "tar_too_large"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tar may hold."""

    n_members: int
    total_bytes: int


def lying_in(folder: Path) -> int:
    """How many tars lie in a folder and in those right below it."""
    return sum(is_tar(path) for pattern in ("*", "*/*") for path in folder.glob(pattern))


@contextmanager
def opened(file: IO[bytes]) -> Iterator[tarfile.TarFile]:
    """A tar, compressed or not, whose errors are BrokenTar."""
    with _named_errors(), tarfile.open(fileobj=file, mode="r:*") as tar:
        yield tar


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, OSError, EOFError, zlib.error, LZMAError, UnicodeDecodeError) as error:
        raise BrokenTar(f"It cannot be read: {error}.") from error


def files(tar: tarfile.TarFile, limits: Limits) -> Iterator[tuple[tarfile.TarInfo, PurePosixPath]]:
    """The files and where they belong, in the tar's order.

    Raises UnsafeTar, TarTooLarge, and at the end BrokenTar if the tar has none, which Python's reader does not tell.
    """
    taken: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    total_bytes = 0
    for n_members, member in enumerate(tar):
        if n_members >= limits.n_members:
            raise TarTooLarge(f"It holds more than {limits.n_members} entries.")
        place = _place(member)
        if member.isdir():
            continue
        if not member.isreg() or member.issparse():
            raise UnsafeTar(f"{member.name!r} is no plain file.")
        total_bytes += member.size
        if total_bytes > limits.total_bytes:
            raise TarTooLarge(f"It holds more than {limits.total_bytes} bytes.")
        if place in taken or place in folders or not taken.isdisjoint(place.parents):
            raise UnsafeTar(f"It holds {member.name!r} twice, or as a folder too.")
        taken.add(place)
        folders.update(place.parents)
        yield member, place
    _check_end(tar)


def _place(member: tarfile.TarInfo) -> PurePosixPath:
    name = member.name
    place = PurePosixPath(name)
    if name.startswith("/") or ".." in place.parts or "\\" in name or "\x00" in name:
        raise UnsafeTar(f"{name!r} leads out of its folder.")
    try:
        too_long = any(len(part.encode()) > _MAX_PART_BYTES for part in place.parts)
    except UnicodeEncodeError:
        raise UnsafeTar(f"{name!r} is not UTF-8.") from None
    if too_long or not (place.parts or member.isdir()):
        raise UnsafeTar(f"{name[:80]!r} cannot name a file.")
    return place


def _check_end(tar: tarfile.TarFile) -> None:
    """A tar ends with a block of zeros. Python's reader takes damage in a header for an end, and a missing end too."""
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    block = tar.fileobj.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE or any(block):
        raise BrokenTar(f"It breaks off or is damaged behind byte {tar.offset}.")


def content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    """A member's bytes. Raises BrokenTar if they are fewer than were announced."""
    left = member.size
    with _named_errors():
        file = tar.extractfile(member)
        assert file is not None  # it is a plain file
        while left:
            block = file.read(min(BLOCK_BYTES, left))
            if not block:
                raise BrokenTar(f"{member.name!r} breaks off {left} bytes before its end.")
            left -= len(block)
            yield block


def is_tar(path: Path | PurePosixPath) -> bool:
    """By its name."""
    return path.name.lower().endswith((".tar", ".tar.gz", ".tgz"))
