"""The files in which the processes of one worker count, added up; those of processes that died become one."""

import os
from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

if TYPE_CHECKING:
    from prometheus_client import Metric

_KINDS = ("counter", "histogram")  # a gauge is of one process


class Together:
    """A collector. A worker's children may die by the thousand, and each has left a file to be read at every scrape."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._collector = MultiProcessCollector(None, str(folder))
        self._one_at_a_time = Lock()

    def collect(self) -> "Iterable[Metric]":
        """What all have counted, the dead too: no counter falls."""
        with self._one_at_a_time:
            for kind in _KINDS:
                _fold([file for file in self._folder.glob(f"{kind}_*.db") if _is_left(file)], kind)
            found: Iterable[Metric] = self._collector.collect()
            return found


def _fold(left: list[Path], kind: str) -> None:
    if not left:
        return
    whole = MmapedDict(left[0].with_name(f"{kind}_dead.db"))
    for file in left:
        # All of it first: what cannot be read must not be added by half, and again the next time.
        for key, value, timestamp, _ in list(MmapedDict.read_all_values_from_file(file)):
            whole.write_value(key, whole.read_value(key)[0] + value, timestamp)
        file.unlink()
    whole.close()


def _is_left(file: Path) -> bool:
    """Whether the process that the file is named after has ended."""
    pid = file.stem.split("_")[1]
    if not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, PermissionError):  # or somebody else's by now: our children are ours
        return True
    return False
