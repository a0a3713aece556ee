"""What a decoding child gives up before it meets a file: memory, files, processes, privileges, the network.

Everything here is best effort but for the resource limits: a kernel or container that forbids one measure does not
stop the work, since the decoders themselves are the first line and the parent's watchdog the last.
"""

import contextlib
import ctypes
import os
import resource
import signal
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38  # <sys/prctl.h>
_CLONE_NEWUSER, _CLONE_NEWNET = 0x1000_0000, 0x4000_0000  # <sched.h>
_MAX_OPEN_FILES: Final = 64


def isolate(parent_pid: int) -> bool:
    """Close what was inherited, die with the parent, gain no privileges, leave the network.

    Must come before any thread is started: the kernel moves only single-threaded processes into a new namespace.
    Returns whether the network is gone. Raises SystemExit if the parent is gone already.
    """
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:  # it died before the line above could matter
        raise SystemExit(0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    with contextlib.suppress(OSError):  # should the machine run out of memory, this process goes first
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")
    # Root may leave the network alone; others need a user namespace, in which root would lose access to others' files.
    return any(libc.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def limit_resources(memory_bytes: int, file_bytes: int) -> None:
    """Cap memory at so much above what is mapped now, any file written at `file_bytes`; no cores, no processes."""
    with contextlib.suppress(OSError):  # without /proc the memory stays uncapped
        mapped_pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
        _limit(resource.RLIMIT_AS, mapped_pages * resource.getpagesize() + memory_bytes)
    _limit(resource.RLIMIT_FSIZE, file_bytes)
    _limit(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NPROC, 0)  # threads too; the kernel exempts root


def _limit(what: int, most: int) -> None:
    """Lower a limit for good; a hard limit that is lower already stands."""
    hard = resource.getrlimit(what)[1]
    value = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (value, value))
