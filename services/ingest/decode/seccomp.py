"""System calls that a decoder never needs, denied to its process for good (seccomp_filter of the Linux kernel).

Resource limits exempt root, and a container may forbid namespaces; a filter asks for no privileges and binds everybody.
"""

import ctypes
import errno
import platform
import struct
from typing import Final

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2  # <linux/prctl.h>, <linux/seccomp.h>
_ALLOW, _DENY = 0x7FFF_0000, 0x0005_0000 | errno.EPERM
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # <linux/bpf_common.h>
_ARCHITECTURE_AT, _NUMBER_AT = 4, 0  # struct seccomp_data
_X32: Final = 0x4000_0000  # calls of another ABI under the same architecture

# AUDIT_ARCH, and numbers of: socket socketpair connect bind | clone fork vfork clone3 execve execveat | kill
# pidfd_send_signal pidfd_getfd ptrace process_vm_readv process_vm_writev | unshare setns mount | io_uring_setup bpf
# userfaultfd perf_event_open add_key keyctl
_DENIED: Final[dict[str, tuple[int, tuple[int, ...]]]] = {
    "x86_64": (0xC000_003E, (
        41, 53, 42, 49, 56, 57, 58, 435, 59, 322, 62, 424, 438, 101, 310, 311, 272, 308, 165, 425, 321, 323, 298, 248,
        250,
    )),
    "aarch64": (0xC000_00B7, (
        198, 199, 203, 200, 220, 435, 221, 281, 129, 424, 438, 117, 270, 271, 97, 268, 40, 425, 280, 282, 241, 217, 219,
    )),
}  # fmt: skip  # numbers read better in lines than in a column


def deny_calls() -> bool:
    """Have sockets, new processes and threads, signals to others and the like fail with EPERM from now on.

    Returns whether the kernel does so. `PR_SET_NO_NEW_PRIVS` must have been set.
    """
    if platform.machine() not in _DENIED:
        return False
    program = _program(*_DENIED[platform.machine()])
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))  # struct sock_fprog
    failed: int = ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_SECCOMP, _MODE_FILTER, head, 0, 0)
    return failed == 0


def _program(architecture: int, numbers: tuple[int, ...]) -> bytes:
    """A filter in classic BPF. Jumps count the instructions that they leave out."""
    n = len(numbers)
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 0, n + 3, architecture),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, n + 1, 0, _X32),
        *((_EQUAL, n - at, 0, number) for at, number in enumerate(numbers)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _DENY),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
