"""Which local files an ingest means, and under which key each of them goes up."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

MAX_PUT_BYTES = 5 * 1024**3
"""What S3 takes in one PUT; longer objects would need a multipart upload."""

MAX_KEY_BYTES = 1024
"""Of an S3 key, in UTF-8."""


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


def find_sources(given: Sequence[Path], collection: str) -> Sources:
    """Look at every named file and below every named folder; links to files count as files.

    Raises typer.BadParameter when two files would go to one key.
    """
    fit: dict[str, Source] = {}
    unfit: list[Unfit] = []
    skipped: list[Path] = []
    for root in given:
        for file, path in _below(root, skipped):
            source = _examine(file, path, collection)
            if isinstance(source, Unfit):
                unfit.append(source)
            elif (other := fit.setdefault(path, source)) is not source and not other.file.samefile(file):
                raise typer.BadParameter(f"{other.file} and {file} would both become {collection}/{path}")
    return Sources(tuple(fit[path] for path in sorted(fit)), tuple(unfit), tuple(skipped))


def _below(root: Path, skipped: list[Path]) -> Iterable[tuple[Path, str]]:
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


def _examine(file: Path, path: str, collection: str) -> Source | Unfit:
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
        return Unfit(path, "too_large", "An upload holds 5 GiB at most; split the recording.")
    return Source(file, path, size_bytes)
