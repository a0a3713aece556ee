"""Take the Speech Accessibility Project's release out of its tars: `<target>/{Train,Dev,Test}/<CONTRIBUTOR_ID>/...`.

May be killed at any moment and run again. A contributor's files are put together aside and appear as one folder; there
is never a file under its own name that is not whole.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Final

from shared.corpora import tars
from shared.corpora.placing import Differs, Places, deliver, is_done, mark, stage, writing
from shared.corpora.sap import SPLITS
from shared.corpora.tars import BrokenTar, Limits, TarTooLarge, UnsafeTar
from shared.errors import Conflict, InvalidRequest

STATE: Final = ".earmark-extract"
"""In the target: what is done, and what is being put together."""

OUTER: Final = Limits(n_members=100_000, total_bytes=1 << 44)
INNER: Final = Limits(n_members=100_000, total_bytes=64 << 30)
_DUPLICATES: Final = "_json.tar"
_OF_CONTRIBUTORS: Final = (".json", ".wav")


class NoTars(InvalidRequest):
    """Name the release's folder: the one that holds `Train/`, `Dev/` or `Test/` with their tars."""

    code = "no_tars"


class Busy(Conflict):
    """Wait for the other extraction into this folder, or end it."""

    code = "extraction_running"


@dataclass(frozen=True, slots=True)
class BadTar:
    """A tar that could not be used, and why; `path` names the inner one behind the outer one."""

    code: str
    path: str
    detail: str


@dataclass(slots=True)
class Report:
    """What became of the contributors' tars."""

    extracted: int = 0
    already: int = 0
    files: int = 0
    bytes: int = 0
    skipped: list[str] = field(default_factory=list)  # tars of JSON alone, which duplicate the others
    problems: list[BadTar] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Outer:
    path: Path
    name: str  # in the source
    split: str


def extract(
    source: Path, target: Path, on_bytes: Callable[[int, int], None] = lambda _done, _of: None, inner: Limits = INNER
) -> Report:
    """Extract what is not there yet; `on_bytes` hears how many bytes of the outer tars are through, of how many.

    Raises NoTars, Busy, CannotWrite. A tar that is broken or hostile is reported and costs no other.
    """
    report = Report()
    outers = list(_outers(source, target, report))
    if not outers and not report.problems:
        raise NoTars(f"There is no tar of recordings in {source}.")
    n_total, n_before = sum(outer.path.stat().st_size for outer in outers), 0
    with _alone(target):
        for outer in outers:
            for n_through in _extract_outer(outer, target, report, inner):
                on_bytes(n_before + n_through, n_total)
            n_before += outer.path.stat().st_size
        on_bytes(n_total, n_total)
        shutil.rmtree(target / STATE / "partial", ignore_errors=True)
    return report


def _outers(source: Path, target: Path, report: Report) -> Iterator[_Outer]:
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and Path(folder, f) != target)
        for name in sorted(names):
            path = Path(folder, name)
            relative = path.relative_to(source)
            if not tars.is_tar(path) or name.startswith("."):
                continue
            if name.lower().endswith(_DUPLICATES):
                report.skipped.append(relative.as_posix())
            elif split := next((p for p in (source.resolve().name, *relative.parts[:-1]) if p in SPLITS), None):
                yield _Outer(path, relative.as_posix(), split)
            else:
                detail = f"It lies in none of {', '.join(SPLITS)}."
                report.problems.append(BadTar("no_split", relative.as_posix(), detail))


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Nobody else extracts into the same folder meanwhile; a killed one leaves no lock behind."""
    with writing(target):
        (target / STATE).mkdir(parents=True, exist_ok=True)
        lock = (target / STATE / "lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"Another extraction into {target} is running.") from None
        yield


def _extract_outer(outer: _Outer, target: Path, report: Report, limits: Limits) -> Iterator[int]:
    """Yields how many bytes of it are through, contributor by contributor."""
    try:
        with _reading(outer.path) as file, tars.opened(file) as tar:
            n_inner = 0
            for member, place in tars.files(tar, OUTER):
                if tars.is_tar(place):
                    n_inner += 1
                    inner = tar.extractfile(member)
                    assert inner is not None  # it is a plain file
                    name = f"{outer.name}/{place}"
                    _extract_inner(inner, name, member.size, outer.split, target, report, limits)
                elif not n_inner and place.suffix.lower() in _OF_CONTRIBUTORS:  # it lies outside of any outer tar
                    file.seek(0)
                    size_bytes = outer.path.stat().st_size
                    _extract_inner(file, outer.name, size_bytes, outer.split, target, report, limits)
                    return
                yield file.tell()
    except (BrokenTar, UnsafeTar, TarTooLarge) as error:
        report.problems.append(BadTar(error.code, outer.name, error.detail))


def _extract_inner(
    file: IO[bytes], name: str, size_bytes: int, split: str, target: Path, report: Report, limits: Limits
) -> None:
    state = target / STATE
    places = Places(target / split, state / "partial" / split / name, state / "done" / split / f"{name}.json")
    if is_done(places, size_bytes):
        report.already += 1
        return
    try:
        written = stage(file, PurePosixPath(name).name.split(".tar")[0], places, limits)
    except (BrokenTar, UnsafeTar, TarTooLarge, Differs) as error:
        report.problems.append(BadTar(error.code, name, error.detail))
        shutil.rmtree(places.staging, ignore_errors=True)
        return
    with writing(places.final):
        deliver(places)
        mark(places.marker, {"bytes": size_bytes, "files": written.n_files_in})
    report.extracted += 1
    report.files += written.n_files
    report.bytes += written.n_bytes


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise BrokenTar(f"It cannot be read: {error.strerror}.") from error
    with file:
        yield file
