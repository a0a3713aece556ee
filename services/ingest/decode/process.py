"""A child process that answers lines with lines: started, asked with a deadline, killed."""

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from typing import Final

from services.ingest.decode.errors import DecoderUnavailable
from services.ingest.decode.limits import DecodeLimits

_START_S: Final = 60.0  # on a machine with everything else to do
_MAX_ANSWER_BYTES: Final = 64 * 1024
_KEPT_ENVIRONMENT: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR")


class ChildDied(Exception):
    """The child ended, or spoke out of turn, before it answered; `returncode` is negative for a signal."""

    def __init__(self, returncode: int) -> None:
        super().__init__(returncode)
        self.returncode = returncode


class ChildTimeout(Exception):
    """The child did not answer in time; it has been killed."""


class ChildProcess:
    """One decoding child. Raises DecoderUnavailable if it cannot be started."""

    def __init__(self, limits: DecodeLimits) -> None:
        self.n_files = 0
        self._owner_pid = os.getpid()
        self._poller = select.poll()
        with tempfile.TemporaryFile() as complaints:
            self._process = _start(limits, complaints.fileno())
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._writer, self._reader = self._process.stdin, self._process.stdout
            self._poller.register(self._reader, select.POLLIN)
            try:
                self.network = bool(self._read(_START_S).get("network"))  # whether it could still reach one
            except (ChildDied, ChildTimeout, ValueError) as error:
                self.close()
                complaints.seek(0)
                said = complaints.read()[-2000:].decode("utf-8", "replace").strip()
                raise DecoderUnavailable(f"The decoding process did not start: {error!r} {said}") from error

    @property
    def pid(self) -> int:
        """The process id of the child."""
        return self._process.pid

    def usable(self) -> bool:
        """Whether it is alive and ours: a process that was forked off must not share its parent's child."""
        return self._owner_pid == os.getpid() and self._process.poll() is None

    def ask(self, request: dict[str, object], timeout_s: float) -> dict[str, object]:
        """Send a request and wait for its answer. Raises ChildDied or ChildTimeout; either way the child is gone."""
        self.n_files += 1
        try:
            self._writer.write(json.dumps(request).encode() + b"\n")
            return self._read(timeout_s)
        except (BrokenPipeError, ValueError) as error:
            raise ChildDied(self.close()) from error

    def close(self) -> int:
        """Kill the child, if it is ours, and release the pipes; returns its exit status."""
        if self._owner_pid != os.getpid():
            self._release()
            return 0
        self._process.kill()
        returncode = self._process.wait()
        self._release()
        return returncode

    def _release(self) -> None:
        for pipe in (self._writer, self._reader):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        if self._owner_pid != os.getpid():
            self._process.returncode = 0  # else Popen warns of a child that was never this process's to wait for

    def _read(self, timeout_s: float) -> dict[str, object]:
        """One line from the child. Raises ValueError if it is not a JSON object of reasonable size."""
        deadline = time.monotonic() + timeout_s
        reply = b""
        while not reply.endswith(b"\n"):
            if len(reply) > _MAX_ANSWER_BYTES:
                raise ValueError("the answer does not end")
            if not self._poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
                self.close()
                raise ChildTimeout
            part = os.read(self._reader.fileno(), _MAX_ANSWER_BYTES)
            if not part:
                self._process.wait(timeout=_START_S)
                raise ChildDied(self.close())
            reply += part
        answer = json.loads(reply)
        if not isinstance(answer, dict):
            raise ValueError("the answer is no object")  # noqa: TRY004  # what the caller catches
        return answer


def _start(limits: DecodeLimits, stderr: int) -> subprocess.Popen[bytes]:
    arguments = (os.getpid(), limits.memory_bytes, limits.max_target_bytes())
    environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-s", "-m", "services.ingest.decode.child", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=0,
            cwd="/",
            env=environment | single,
            start_new_session=True,  # an interrupt from the terminal goes to the worker, which decides
        )
    except OSError as error:
        raise DecoderUnavailable(f"The decoding process did not start: {error}") from error
