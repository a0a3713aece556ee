"""From a member's name to an object's key: relative, plain, UTF-8. A name is data and never a path of this machine."""

import re
from pathlib import PurePosixPath
from typing import Final

from services.ingest.archives.errors import MemberAbsolute, MemberName, MemberTraversal, NameTooLong
from shared.sidecars import SIDECARS

_MAX_KEY_BYTES: Final = 1024  # of S3
_ENDINGS: Final = re.compile(r"\.(tar|tar\.gz|tgz|tar\.bz2|tbz2?|tar\.xz|txz|zip)$", re.IGNORECASE)
_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")


def folder_of(name: str) -> str:
    """Where the members of an archive of this name go: beside it, under its name without the ending.

    An archive without such an ending needs another name for its folder: some stores know no file and folder of one.
    """
    stem = _ENDINGS.sub("", name)
    return stem if stem != name and not stem.endswith("/") and stem else f"{name}.unpacked"


def relative(name: str) -> str:
    """The name without `.` and empty parts. Raises MemberName, MemberAbsolute, MemberTraversal."""
    if "\x00" in name:
        raise MemberName
    try:
        name.encode()
    except UnicodeEncodeError:
        raise MemberName from None
    if name.startswith(("/", "\\")) or _DRIVE.match(name):
        raise MemberAbsolute
    if ".." in re.split(r"[/\\]", name):
        raise MemberTraversal
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if not parts:
        raise MemberName
    return "/".join(parts)


def checked_key(key: str) -> str:
    """The key itself; raises NameTooLong."""
    if len(key.encode()) > _MAX_KEY_BYTES:
        raise NameTooLong(f"{key[:80]!r}... has {len(key.encode())} bytes.")
    return key


def is_left_out(path: str) -> bool:
    """What `earmark ingest FOLDER` leaves, too: hidden entries, and what by its ending lies beside recordings."""
    parts = path.split("/")
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return hidden or PurePosixPath(parts[-1]).suffix.lower() in SIDECARS


def shown(name: str) -> str:
    """The name as text that can be stored and printed, whatever bytes it came from; its first 500 characters."""
    text = name[:500].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text.replace("\x00", "\\x00")
