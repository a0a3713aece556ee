"""A folder of one process for files that live as long as a message, or a listener; gone when the process is."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from billiard.util import Finalize

_PREFIX: Final = "earmark-scratch-"


def scratch_folder(service: str) -> Path:
    """Make the folder, mode 0700, and remove those that killed processes left behind.

    Celery's children run no atexit handlers, but billiard's finalizers; SIGKILL runs neither. Whoever lives holds a
    lock on its folder, which no pid that was given anew and no boot can pretend.
    """
    sweep_folders()
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{service}-"))
        held = os.open(folder, os.O_RDONLY)  # until the process ends, and inherited by those that it forks
        fcntl.flock(held, fcntl.LOCK_EX)
        if folder.is_dir():  # else somebody swept between the two
            break
        os.close(held)
    Finalize(None, shutil.rmtree, args=(folder,), kwargs={"ignore_errors": True}, exitpriority=1)
    return folder


def sweep_folders() -> None:
    """Remove what processes of this user and machine have left behind that live no more."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError), _locked(left):  # held by whom it belongs to, somebody else's, or just gone
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Raises OSError."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(opened).st_uid != os.geteuid():
            raise PermissionError(folder)
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(opened)
