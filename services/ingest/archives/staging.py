"""One member as a local file, hashed as the object store hashes it, and as recordings are known by."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.ingest.archives.bounds import Bounds
from services.ingest.archives.sources import BLOCK_BYTES, Source
from services.ingest.archives.zips import ZIP_ERRORS
from shared.errors import RejectedInput
from shared.storage.objects import PART_BYTES

_COPY_BYTES: Final = BLOCK_BYTES  # full blocks but for the last one: parts begin at a multiple of it


@dataclass(frozen=True, slots=True)
class Staged:
    """A member's bytes in a file of ours, and the ETags that they have in a store: sent whole, or in parts."""

    path: Path
    size_bytes: int
    etags: frozenset[str]
    sha256: str


class _ETags:
    """MD5, as S3 hands it out."""

    def __init__(self) -> None:
        self._whole, self._n_bytes = _md5(), 0
        self._parts: list[hashlib._Hash] = []

    def add(self, block: bytes) -> None:
        """The next bytes; no block reaches over the end of a part."""
        if self._n_bytes % PART_BYTES == 0:
            self._parts.append(_md5())
        self._whole.update(block)
        self._parts[-1].update(block)
        self._n_bytes += len(block)

    def all(self) -> frozenset[str]:
        """Of the whole, and of an upload in parts."""
        of_parts = _md5(b"".join(part.digest() for part in self._parts)).hexdigest()
        return frozenset({self._whole.hexdigest(), f"{of_parts}-{len(self._parts)}"})


def _md5(content: bytes = b"") -> "hashlib._Hash":
    return hashlib.md5(content, usedforsecurity=False)


def stage(source: Source, size_bytes: int, unreadable: type[RejectedInput], folder: Path, bounds: Bounds) -> Staged:
    """Copy a member, block by block, into a file named by us.

    Raises `unreadable` if its bytes are not as announced, and what `bounds` raise.
    """
    etags, sha256 = _ETags(), hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        path = Path(file.name)
        try:
            for block in _blocks(source, size_bytes, unreadable):
                bounds.count_bytes(len(block))
                etags.add(block)
                sha256.update(block)
                file.write(block)
        except BaseException:
            path.unlink()
            raise
    return Staged(path, size_bytes, etags.all(), sha256.hexdigest())


def _blocks(source: Source, size_bytes: int, unreadable: type[RejectedInput]) -> Iterator[bytes]:
    left = size_bytes
    while left:
        wanted = min(_COPY_BYTES, left)
        block = read_as(unreadable, lambda wanted=wanted: source.read(wanted))  # type: ignore[misc]  # mypy: a default
        if not block:
            raise unreadable(f"It ends {left} bytes before its announced end.")
        left -= len(block)
        yield block


def read_as(unreadable: type[RejectedInput], read: Callable[[], bytes]) -> bytes:
    """Raises `unreadable` for whatever the readers of archives raise."""
    try:
        return read()
    except ZIP_ERRORS as error:
        raise unreadable(f"It cannot be read: {error}.") from error
