"""Bring a download to its place only when it is complete: whoever looks sees the old state or the new one."""

import errno
import fcntl
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from services.launcher.cli.failure import Failure
from services.launcher.cli.output import tell

Fetch = Callable[[BinaryIO], object]
"""Writes the whole download into a file, or raises."""

Shape = Callable[[Path], Path]
"""Makes of the folder that was downloaded, inside the same workshop, the folder that is delivered."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def deliver_file(out: Path, fetch: Fetch) -> None:
    """Fetch into a neighbour of `out`, then rename it.

    Raises Failure when it cannot be written; whatever `fetch` raises passes through, and `out` is as it was.
    """
    with writable(out), workshop_of(out) as workshop:
        fresh = workshop / "download"
        with fresh.open("wb") as file:
            fetch(file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(out)


def deliver_folder(out: Path, fetch: Fetch, shape: Shape = lambda folder: folder) -> list[Path]:
    """Fetch a zip archive and put its files, or what `shape` makes of them, into the folder `out`; returns their paths.

    A folder that is not there yet, or empty, appears at once; in any other each file is replaced at once. Raises
    Failure.
    """
    with writable(out), workshop_of(out) as workshop:
        folder = shape(download_folder(workshop, fetch))
        names = files_of(folder)
        move_into(out, folder, names)
    return [out / name for name in names]


def download_folder(workshop: Path, fetch: Fetch) -> Path:
    """Fetch a zip archive and unpack it there. Raises Failure when it is damaged."""
    with (workshop / "download").open("w+b") as file:
        fetch(file)
        _unpack(file, workshop / "files")
    (workshop / "download").unlink()
    return workshop / "files"


@contextmanager
def workshop_of(out: Path) -> Iterator[Path]:
    """A hidden folder beside `out` for one command at a time: a rename across file systems would be a copy.

    What a killed command left in it is thrown away. Raises Failure `export_running` when somebody else is at it.
    """
    _make(out.parent)
    workshop = out.parent / f".{out.name}.earmark"
    workshop.mkdir(exist_ok=True)
    running = Failure(
        "export_running", f"Another command is writing {out}.", "Wait for it, or name another place with --out."
    )
    held = os.open(workshop, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise running from None
        if not (workshop.exists() and os.path.samestat(os.fstat(held), workshop.stat())):
            raise running  # whoever had it has just taken it away
        try:
            _empty(workshop)
            yield workshop
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
    finally:
        os.close(held)


def _make(folder: Path) -> None:
    """What somebody misspelt should not be made in silence."""
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
        tell(f"Made the folder {folder}.")


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


@contextmanager
def writable(out: Path) -> Iterator[None]:
    """Raises Failure `disk_full` or `not_written` where the system refuses to write."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            message = f"There is no room for {out}: {error.strerror}."
            raise Failure("disk_full", message, "Make room, or name another place with --out.") from error
        message = f"{out} cannot be written: {error.strerror or error}."
        raise Failure("not_written", message, "Name another place with --out.") from error


def _unpack(file: BinaryIO, folder: Path) -> None:
    folder.mkdir()
    try:
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                if not entry.is_dir():
                    _write_entry(archive, entry.filename, folder)
    except zipfile.BadZipFile as error:
        raise Failure("bad_download", f"The download is damaged: {error}.", "Try again.") from error


def _write_entry(archive: zipfile.ZipFile, name: str, folder: Path) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise Failure("bad_download", f"The download holds a file outside of its folder: {name!r}.")
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(name) as packed, target.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)


def files_of(folder: Path) -> list[Path]:
    """The files below a folder, as they are called there, in order."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def move_into(out: Path, folder: Path, names: list[Path]) -> None:
    """The files of a folder into another one: at once if there is nothing in it, else one by one in this order."""
    if not out.exists() or not any(out.iterdir()):
        folder.replace(out)
        return
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).replace(out / name)
