"""Which local files an ingest means, and under which key each of them goes up."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import typer

from shared.sidecars import SIDECARS

MAX_PUT_BYTES = 5 * 1024**3
"""What S3 takes in one PUT, and a presigned URL is for one; longer objects go up in parts."""

MAX_KEY_BYTES = 1024
"""Of an S3 key, in UTF-8."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which files go up, by patterns as shells know them, whatever their case; of a name or of the path in the folder.

    Without any pattern to include, all but sidecars of a folder. A file that is named is never a sidecar.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def means(self, path: str) -> bool:
        """Whether the patterns let this one through."""
        return not _matches(path, self.exclude) and (not self.include or _matches(path, self.include))

    def is_sidecar(self, path: str) -> bool:
        """Whether it is left out of its folder for what it is called."""
        return not self.include and Path(path).suffix.lower() in SIDECARS


def _matches(path: str, patterns: Sequence[str]) -> bool:
    whole, name = path.casefold(), path.rpartition("/")[2].casefold()
    return any(fnmatchcase(part, pattern.casefold()) for part in (whole, name) for pattern in patterns)


EVERYTHING = Choice()


@dataclass(frozen=True, slots=True)
class Source:
    """One file that goes up."""

    file: Path
    path: str
    """Below the collection's prefix, with slashes on every system."""
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Unfit:
    """One file that cannot go up, whatever is in it."""

    path: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sources:
    """All that was found, in the order of the keys."""

    fit: tuple[Source, ...]
    unfit: tuple[Unfit, ...]
    skipped: tuple[Path, ...]
    """Hidden entries, and what is no regular file."""
    sidecars: tuple[Path, ...]
    """Files of folders that are no audio by their names."""


def find_sources(given: Sequence[Path], collection: str, choice: Choice = EVERYTHING) -> Sources:
    """Look at every named file and below every named folder; links to files count as files.

    Raises typer.BadParameter when two files would go to one key.
    """
    fit: dict[str, Source] = {}
    unfit: list[Unfit] = []
    left = _LeftOut()
    for root in given:
        for file, path in _chosen(root, choice, left):
            source = examine(file, path, collection)
            if isinstance(source, Unfit):
                unfit.append(source)
            elif (other := fit.setdefault(path, source)) is not source and not other.file.samefile(file):
                raise typer.BadParameter(f"{other.file} and {file} would both become {collection}/{path}")
    fitting = tuple(fit[path] for path in sorted(fit))
    return Sources(fitting, tuple(unfit), tuple(left.skipped), tuple(left.sidecars))


@dataclass(slots=True)
class _LeftOut:
    skipped: list[Path] = field(default_factory=list)
    sidecars: list[Path] = field(default_factory=list)


def _chosen(root: Path, choice: Choice, left: _LeftOut) -> Iterator[tuple[Path, str]]:
    for file, path in _below(root, left.skipped):
        if not choice.means(path):
            continue
        if file != root and choice.is_sidecar(path):
            left.sidecars.append(file)
        else:
            yield file, path


def _below(root: Path, skipped: list[Path]) -> Iterator[tuple[Path, str]]:
    if not root.is_dir():
        yield root, root.name
        return
    for folder, folders, names in os.walk(root):
        skipped.extend(Path(folder, name) for name in folders if name.startswith("."))
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(folder, name)
            if name.startswith(".") or not file.is_file():
                skipped.append(file)
            else:
                yield file, file.relative_to(root).as_posix()


def examine(file: Path, path: str, collection: str) -> Source | Unfit:
    """Whether one file can go up under this path of a collection."""
    try:
        key_bytes = len(f"{collection}/{path}".encode())
    except UnicodeEncodeError:
        return Unfit(path, "bad_name", "The file's name is not UTF-8; rename it.")
    if key_bytes > MAX_KEY_BYTES:
        return Unfit(path, "name_too_long", f"An object key holds {MAX_KEY_BYTES} bytes; this one would have more.")
    try:
        size_bytes = file.stat().st_size
    except OSError as error:
        return Unfit(path, "unreadable", f"It cannot be read: {error.strerror}.")
    if size_bytes > MAX_PUT_BYTES:
        remedy = f"Put it into the bucket as {collection}/{path} with an S3 client, which sends it in parts: README.md."
        return Unfit(path, "upload_too_large", f"It has more than 5 GiB, the most that one upload takes. {remedy}")
    return Source(file, path, size_bytes)
