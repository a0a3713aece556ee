"""The folder that a backup is: the database's dump, the objects by their content, and a manifest with every hash.

Keys of objects are lines of `objects.jsonl`; none becomes a path. All of it is for its owner alone.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, TextIO

from pydantic import BaseModel, ConfigDict, ValidationError

from services.launcher.stack.errors import DamagedBackup, NotABackup

MANIFEST = "manifest.json"
DUMP = "database.dump"
INDEX = "objects.jsonl"
TOMBSTONES = "tombstones.jsonl"
KEEPSAKE = "keepsake.json"
FORMAT = 1
_THREADS = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a bucket; its bytes lie in the folder under their hash."""

    bucket: str
    key: str
    etag: str
    size_bytes: int
    sha256: str
    content_type: str


class Bucket(BaseModel):
    """How much of one bucket is in the backup."""

    model_config = ConfigDict(frozen=True)

    name: str
    n_objects: int
    n_bytes: int


class Manifest(BaseModel):
    """What a backup holds, and of what."""

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    earmark: str  # its version
    schema_revision: str
    postgres: str
    taken_at: datetime  # of the database's snapshot
    database_bytes: int  # on disk, indexes included
    tables: dict[str, int]  # rows
    audio: Bucket
    derived: Bucket
    missing: list[tuple[str, str]]  # (bucket, key): a row relied on it, and the store did not have it
    files: dict[str, str]  # sha256 of each file beside the manifest

    @property
    def buckets(self) -> tuple[Bucket, Bucket]:
        """Both of them."""
        return self.audio, self.derived


@dataclass(frozen=True, slots=True)
class BackupFolder:
    """One backup, finished or being made."""

    path: Path

    def blob(self, sha256: str) -> Path:
        """Where the bytes with this hash lie."""
        return self.path / "objects" / sha256[:2] / sha256

    def holds(self, entry: Entry) -> bool:
        """Whether its bytes are there, as far as a look at their number tells: a crash may have left fewer."""
        path = self.blob(entry.sha256)
        return path.is_file() and path.stat().st_size == entry.size_bytes

    def manifest(self) -> Manifest:
        """Raises NotABackup."""
        try:
            manifest = Manifest.model_validate_json((self.path / MANIFEST).read_bytes())
        except (OSError, ValidationError) as error:
            raise NotABackup(f"{self.path} holds no manifest of a backup.") from error
        if manifest.format != FORMAT:
            raise NotABackup(f"{self.path} has format {manifest.format}; this version reads {FORMAT}.")
        return manifest

    def entries(self, name: str = INDEX) -> Iterator[Entry]:
        """Every object, as an index or a journal lists them."""
        with (self.path / name).open() as lines:
            for line in lines:
                yield Entry(**json.loads(line))

    def write_index(self, entries: Iterable[Entry]) -> None:
        """In the order of their keys, so that equal buckets make equal files."""
        with private(self.path / INDEX) as file:
            file.writelines(line_of(entry) for entry in sorted(entries, key=lambda one: (one.bucket, one.key)))
            file.flush()
            os.fsync(file.fileno())

    def drop_unlisted(self, kept: set[str]) -> None:
        """Delete the bytes that no entry of the index has, and what an earlier try had begun to download."""
        for path in (self.path / "objects").rglob("*"):
            if path.is_file() and path.name not in kept:
                path.unlink()

    def verify(self) -> Manifest:
        """Read everything and compare it with its hashes. Raises NotABackup, DamagedBackup."""
        manifest = self.manifest()
        for name, expected in manifest.files.items():
            if _hash_of(self.path / name) != expected:
                raise DamagedBackup(f"{self.path / name} is not what was written.")
        hashes = sorted({entry.sha256 for entry in self.entries()})
        damaged = self._damaged(hashes)
        if damaged:
            raise DamagedBackup(f"{len(damaged)} of {len(hashes)} objects are missing or damaged: {damaged[0]}, ...")
        return manifest

    def _damaged(self, hashes: Sequence[str]) -> list[str]:
        with ThreadPoolExecutor(_THREADS) as pool:
            found = pool.map(lambda sha256: _hash_of(self.blob(sha256)), hashes)
            return [sha256 for sha256, own in zip(hashes, found, strict=True) if own != sha256]


def line_of(entry: Entry) -> str:
    """One line of an index."""
    return json.dumps(asdict(entry)) + "\n"


def hashes_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The sha256 of each of these files."""
    return {name: found for name in names if (found := _hash_of(folder / name))}


def private(path: Path, mode: Literal["w", "a"] = "w") -> TextIO:
    """Open a text file that only its owner may read, from its first byte on."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600))


def _hash_of(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
