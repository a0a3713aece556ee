"""Notice whether anybody opens a file."""

import ctypes
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_OPENED: Final = 0x20  # IN_OPEN of <sys/inotify.h>
_AT_ONCE: Final = os.O_NONBLOCK


class OpenWatch:
    """Counts the opens of one file while this is entered, whoever does it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._libc = ctypes.CDLL(None, use_errno=True)

    def __enter__(self) -> Self:
        self._handle = self._libc.inotify_init1(_AT_ONCE)
        if self._libc.inotify_add_watch(self._handle, os.fsencode(self._path), _OPENED) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._handle)

    def opened(self) -> bool:
        """Whether it has been opened since this was entered, or since the last answer."""
        try:
            return bool(os.read(self._handle, 4096))
        except BlockingIOError:
            return False
