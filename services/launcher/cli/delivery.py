"""Bring a download to its place only when it is complete: whoever looks sees the old state or the new one."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from services.launcher.cli.failure import Failure

Fetch = Callable[[BinaryIO], object]
"""Writes the whole download into a file, or raises."""


def deliver_file(out: Path, fetch: Fetch) -> None:
    """Fetch into a neighbour of `out`, then rename it.

    Raises Failure when it cannot be written; whatever `fetch` raises passes through, and `out` is as it was.
    """
    with _writable(out), _workshop(out.parent) as workshop:
        fresh = workshop / "download"
        with fresh.open("wb") as file:
            fetch(file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(out)


def deliver_folder(out: Path, fetch: Fetch) -> list[Path]:
    """Fetch a zip archive and put its files into the folder `out`; returns their paths.

    A folder that is not there yet, or empty, appears at once; in any other each file is replaced at once. Raises
    Failure.
    """
    with _writable(out), _workshop(out.parent) as workshop:
        with (workshop / "download").open("w+b") as file:
            fetch(file)
            names = _unpack(file, workshop / "files")
        _move(workshop / "files", out, names)
    return [out / name for name in names]


@contextmanager
def _workshop(parent: Path) -> Iterator[Path]:
    """A hidden folder on the file system of the outcome: a rename across file systems would be a copy."""
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=".earmark-export-") as folder:
        yield Path(folder)


@contextmanager
def _writable(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"{out} cannot be written: {error.strerror or error}."
        raise Failure("not_written", message, "Name another place with --out.") from error


def _unpack(file: BinaryIO, folder: Path) -> list[str]:
    folder.mkdir()
    try:
        with zipfile.ZipFile(file) as archive:
            names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
            for name in names:
                _write_entry(archive, name, folder)
    except zipfile.BadZipFile as error:
        raise Failure("bad_download", f"The download is damaged: {error}.", "Try again.") from error
    return names


def _write_entry(archive: zipfile.ZipFile, name: str, folder: Path) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise Failure("bad_download", f"The download holds a file outside of its folder: {name!r}.")
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(name) as packed, target.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)


def _move(folder: Path, out: Path, names: list[str]) -> None:
    if not out.exists() or not any(out.iterdir()):
        folder.replace(out)
        return
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).replace(out / name)
