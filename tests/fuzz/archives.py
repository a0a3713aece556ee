"""Fuzz target: the readers of archives. What they find is data: no name leads anywhere, no claim is believed."""

import io
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

from services.ingest.archives.bounds import Bounds
from services.ingest.archives.kinds import Kind
from services.ingest.archives.sniffing import HEAD_BYTES, sniff
from services.ingest.archives.sources import FileSource
from services.ingest.archives.walking import START, Position, Step, Walk
from shared.errors import RejectedInput
from tests.fuzz.target import Target

_MOST_BYTES: Final = 1 << 20
_ROOT: Final = Path(tempfile.mkdtemp(prefix="fuzz-archives-"))  # emptied after each archive


def run(content: bytes) -> None:
    """Refused with a code, or walked through within its bounds, from the middle on as from the start."""
    kind = sniff(content[:HEAD_BYTES])
    if kind is None:
        return
    try:
        steps = _walked(content, kind, START)
    except RejectedInput:
        return
    for step in steps:
        _check(step)
    if steps:
        middle = len(steps) // 2
        later = _walked(content, kind, steps[middle].position)
        assert [(s.path, s.position) for s in later] == [(s.path, s.position) for s in steps[middle + 1 :]]


def _walked(content: bytes, kind: Kind, position: Position) -> list[Step]:
    bounds = Bounds(
        most_members=200, most_bytes=_MOST_BYTES, most_expanded_bytes=_MOST_BYTES, member_bytes=_MOST_BYTES, depth=3
    )
    folder = Path(tempfile.mkdtemp(dir=_ROOT))
    try:
        with FileSource(io.BytesIO(content)) as source:  # type: ignore[arg-type]  # a raw file, but for its class
            steps = list(Walk(bounds, folder).through(source, len(content), kind, position))
        staged = [step.staged.path for step in steps if step.staged]
        assert len(set(staged)) == len(staged) == sum(path.parent == folder for path in staged)
        assert sum(path.stat().st_size for path in staged) <= _MOST_BYTES
        return steps
    finally:
        shutil.rmtree(folder)


def _check(step: Step) -> None:
    if step.staged is not None:
        parts = PurePosixPath(step.path).parts
        assert parts
        assert not {"..", ".", "/"} & set(parts)
        assert "\0" not in step.path
    step.path.encode()  # it is stored as text
    assert step.refusal is None or step.refusal.sentence()


def _tar(mode: str, form: int, *more: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=form) as archive:
        for name, content in (("a/b.wav", b"RIFF" + bytes(40)), (f"{'n' * 90}/{'m' * 60}.wav", b"x" * 600), *more):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo(f"special {kind!r}")
            info.type, info.linkname = kind, "../../etc/passwd"
            archive.addfile(info)
    return file.getvalue()


def _zip(compression: int, *more: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in (("a/b.wav", b"RIFF" + bytes(40)), ("é.wav", b"x" * 600), ("d/", b""), *more):
            archive.writestr(zipfile.ZipInfo(name), content, compression)  # of 1980: the same bytes every day
    return file.getvalue()


def _seeds() -> list[bytes]:
    inner, packed = _tar("w", tarfile.USTAR_FORMAT), _zip(zipfile.ZIP_DEFLATED)
    makers: list[Callable[[], bytes]] = [
        lambda: _tar("w", tarfile.GNU_FORMAT),
        lambda: _tar("w", tarfile.PAX_FORMAT, ("übung.wav", b"y")),
        lambda: _tar("w:gz", tarfile.USTAR_FORMAT),
        lambda: _tar("w:bz2", tarfile.USTAR_FORMAT),
        lambda: _tar("w:xz", tarfile.USTAR_FORMAT),
        lambda: _tar("w", tarfile.USTAR_FORMAT, ("in.tar", inner), ("in.zip", packed)),
        lambda: _zip(zipfile.ZIP_STORED, ("in.tar", inner)),
        lambda: _zip(zipfile.ZIP_BZIP2),
        lambda: _zip(zipfile.ZIP_LZMA),
        lambda: _zip(zipfile.ZIP_DEFLATED, ("in.zip", packed)),
    ]
    return [inner, packed, *(make() for make in makers)]


TARGET: Final = Target(run, _seeds)
