"""The child process: what it may use of the machine, and that it ends with its parent."""

import os
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import pytest
import soundfile

from services.ingest.decode.limits import DecodeLimits
from services.ingest.decode.sandbox import Decoder
from shared.units import MIB
from tests.support.audio import chunk, fmt, riff, tone


def _status(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field)))


def _limit(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line[len(name) :].split()[0] for line in lines if line.startswith(name))


def test_the_child_is_confined(clip, tmp_path):
    os.environ["EARMARK_SECRET"] = "s3cret"
    try:
        with (tmp_path / "open").open("w") as inherited, Decoder(DecodeLimits(max_decoded_s=100.0)) as decoder:
            os.set_inheritable(inherited.fileno(), True)
            decoder.decode(clip, tmp_path / "target.flac")
            pid = decoder.child_pid
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            files = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
            assert int(_limit(pid, "Max address space")) < 1.5 * 1024 * MIB
            assert int(_limit(pid, "Max file size")) < 12 * MIB
            assert [_limit(pid, f"Max {what}") for what in ("core file size", "processes", "open files")] == [
                "0",
                "0",
                "64",
            ]
            assert _status(pid, "NoNewPrivs") == 1
            assert _status(pid, "Threads") == 1
            assert _status(pid, "Seccomp:") == 2
    finally:
        del os.environ["EARMARK_SECRET"]
    assert b"s3cret" not in environment
    assert str(tmp_path / "open") not in files


_TRIES = {
    "a socket": "socket.socket()",
    "a socket of the machine": "socket.socketpair()",
    "a process": "os.fork()",
    "a program": "os.execv(sys.executable, [sys.executable])",
    "a program beside it": "os.posix_spawn(sys.executable, [sys.executable], {})",
    "a thread": "threading.Thread(target=print).start()",
    "a signal to its parent": "os.kill(os.getppid(), 0)",
    "a file that is too long": "open(sys.argv[1], 'wb').truncate(2_000)",
    "too much memory": "bytearray(2**31)",
    "too many files": "[open(os.devnull) for _ in range(100)]",
}


@pytest.mark.parametrize("attempt", _TRIES.values(), ids=_TRIES)
def test_a_decoder_that_was_taken_over_does_not_get(tmp_path, attempt):
    program = f"""
        import os, signal, socket, sys, threading
        from services.ingest.decode.confine import isolate, limit_resources
        from services.ingest.decode.seccomp import deny_calls
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # else it would die of the file, before it could tell
        isolate(os.getppid())
        limit_resources(2**28, 1_000)
        assert deny_calls()
        try:
            {attempt}
        except (OSError, RuntimeError, MemoryError):
            print("denied")
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "long")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "denied\n", done.stderr


def test_the_child_dies_with_its_parent(tmp_path, clip):
    script = """
        print(decoder.child_pid, flush=True)
        os.kill(decoder.child_pid, signal.SIGSTOP)  # too busy to see that its requests have come to an end
        os.kill(os.getpid(), signal.SIGKILL)
    """
    child = int(_run(script, clip, tmp_path).stdout)
    deadline = time.monotonic() + 5
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _alive(child)


def test_a_forked_process_takes_a_child_of_its_own(clip, tmp_path):
    script = """
        inherited = decoder.child_pid
        if os.fork() == 0:
            decoder.decode(source, target)
            print(decoder.child_pid != inherited, flush=True)
            decoder.close()
            os._exit(0)
        os.wait()
        decoder.decode(source, target)
        print(decoder.child_pid == inherited)
        decoder.close()
    """
    assert _run(script, clip, tmp_path).stdout.split() == ["True", "True"]


def _run(script: str, source: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, in which a decoder has decoded a file already."""
    opening = f"""
        import os, signal
        from pathlib import Path
        from services.ingest.decode.limits import DecodeLimits
        from services.ingest.decode.sandbox import Decoder
        from shared.telemetry import configure_logging
        configure_logging()
        source, target, decoder = Path({str(source)!r}), Path({str(folder / "target.flac")!r}), Decoder(DecodeLimits())
        decoder.decode(source, target)
    """
    program = textwrap.dedent(opening) + textwrap.dedent(script)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


def _alive(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def test_three_hours_take_no_more_memory_than_a_minute(tmp_path):
    path = tmp_path / "long"
    n_seconds = 3 * 3600
    second = (tone(1.0, 8_000) * 32767).astype("<i2").tobytes()
    with path.open("wb") as file:
        file.write(riff(fmt(rate_hz=8_000, byte_rate=16_000), chunk(b"data", b"", n_seconds * len(second))))
        for _ in range(0, n_seconds, 60):
            file.write(second * 60)
    with Decoder(DecodeLimits()) as decoder:
        facts = decoder.decode(path, tmp_path / "target.flac")
        assert facts.n_samples == n_seconds * 16_000
        assert _status(decoder.child_pid, "VmHWM") < 120 * 1024  # KiB
    assert soundfile.info(tmp_path / "target.flac").frames == facts.n_samples
