"""Put the files of one contributor's tar where they belong: whole, in one step, and only those that are missing."""

import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from shared.corpora import tars
from shared.corpora.tars import Limits
from shared.errors import PermanentError


class CannotWrite(PermanentError):
    """Make room or mend what the message names, and run the same command again: it goes on where it stopped."""

    code = "cannot_write"


class Differs(PermanentError):
    """Extract into a folder of its own: here lies another file under that name, and it is not overwritten."""

    code = "differs"


@dataclass(frozen=True, slots=True)
class Places:
    """Where things of one contributor's tar go."""

    final: Path  # the split's folder
    staging: Path
    marker: Path


@dataclass(slots=True)
class Written:
    """What was staged of one tar, and what it holds in all."""

    n_files: int = 0  # that were missing
    n_bytes: int = 0
    n_files_in: dict[str, int] = field(default_factory=dict)  # all that the tar holds, by folder


def stage(file: IO[bytes], stem: str, places: Places, limits: Limits) -> Written:
    """Put together aside what of one contributor's tar is not there yet."""
    written = Written()
    with tars.opened(file) as tar:
        for member, place in tars.files(tar, limits):
            relative = place if len(place.parts) > 1 else PurePosixPath(stem) / place
            folder = relative.parts[0]
            written.n_files_in[folder] = written.n_files_in.get(folder, 0) + 1
            if not _stands(places, relative, member.size):
                with writing(places.staging):
                    _write(tar, member, places.staging / "writing", places.staging / "files" / relative)
                written.n_files += 1
                written.n_bytes += member.size
    return written


def _stands(places: Places, relative: PurePosixPath, size_bytes: int) -> bool:
    """Whether the file is there as a whole; what was staged before a crash is, for it has its own name."""
    final = places.final / relative
    if final.exists():
        if final.stat().st_size != size_bytes:
            raise Differs(f"{final} has other bytes than the tar.")
        return True
    staged = places.staging / "files" / relative
    return staged.exists() and staged.stat().st_size == size_bytes


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, temporary: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary.open("wb") as file:
        for block in tars.content(tar, member):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def deliver(places: Places) -> None:
    """Let the staged folders appear in one step each, or file by file where a folder stands already."""
    staged = places.staging / "files"
    for folder in sorted(staged.iterdir()) if staged.is_dir() else ():
        final = places.final / folder.name
        places.final.mkdir(parents=True, exist_ok=True)
        if not final.exists():
            _sync(folder)
            folder.rename(final)
        else:
            for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                place = final / path.relative_to(folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                path.rename(place)
            _sync(final)
    if places.final.is_dir():
        _sync(places.final)
    shutil.rmtree(places.staging, ignore_errors=True)


def is_done(places: Places, size_bytes: int) -> bool:
    """Whether this tar was extracted before and nothing has been taken away since."""
    try:
        said = json.loads(places.marker.read_text())
    except FileNotFoundError:
        return False
    folders: dict[str, int] = said["files"]
    return said["bytes"] == size_bytes and all(
        sum(len(names) for _, _, names in os.walk(places.final / folder)) >= n for folder, n in folders.items()
    )


def mark(marker: Path, said: dict[str, object]) -> None:
    """Write down that a tar is done, once its files are where they belong."""
    marker.parent.mkdir(parents=True, exist_ok=True)
    temporary = marker.with_suffix(".part")
    with temporary.open("w") as file:
        json.dump(said, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(marker)
    _sync(marker.parent)


def _sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Raises CannotWrite for whatever the system refuses meanwhile."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(f"{error.filename or place}: {error.strerror}.") from error
