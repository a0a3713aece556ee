"""A folder of one worker process for files that live as long as a message; gone when the process is."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from billiard.util import Finalize


def scratch_folder(service: str) -> Path:
    """Make the folder, and remove those that killed processes of this machine left behind.

    Celery's children run no atexit handlers, but billiard's finalizers; SIGKILL runs neither.
    """
    root = Path(tempfile.gettempdir())
    for left in root.glob(f"earmark-{service}-*-*"):
        if not _lives(left.name.split("-")[2]):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"earmark-{service}-{os.getpid()}-"))
    Finalize(None, shutil.rmtree, args=(folder,), kwargs={"ignore_errors": True}, exitpriority=1)
    return folder


def _lives(pid: str) -> bool:
    with suppress(ValueError, ProcessLookupError):
        try:
            os.kill(int(pid), 0)
        except PermissionError:  # somebody else's process
            return True
        return True
    return False
