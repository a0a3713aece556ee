"""A folder of one worker process for files that live as long as a message; gone when the process is."""

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

from billiard.util import Finalize

_OWNED: Final = re.compile(r"earmark-[a-z]+-(?P<pid>[0-9]+)-\w+")


def scratch_folder(service: str) -> Path:
    """Make the folder, and remove those that killed processes left behind.

    Celery's children run no atexit handlers, but billiard's finalizers; SIGKILL runs neither.
    """
    sweep_folders()
    folder = Path(tempfile.mkdtemp(prefix=f"earmark-{service}-{os.getpid()}-"))
    Finalize(None, shutil.rmtree, args=(folder,), kwargs={"ignore_errors": True}, exitpriority=1)
    return folder


def sweep_folders() -> None:
    """Remove what processes of this machine have left behind that live no more."""
    for left in Path(tempfile.gettempdir()).glob("earmark-*-*-*"):
        owned = _OWNED.fullmatch(left.name)
        if owned and not _lives(int(owned["pid"])):
            shutil.rmtree(left, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's process
        return True
    return True
