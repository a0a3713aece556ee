"""Decode untrusted files in a confined child process, one after the other."""

import os
import signal
import stat
import threading
from dataclasses import asdict
from pathlib import Path
from time import monotonic

from services.ingest.decode.errors import (
    DecodeMemory,
    DecoderCrashed,
    DecoderUnavailable,
    DecodeTimeout,
    NotAudio,
    TooLarge,
    error_of,
)
from services.ingest.decode.facts import DecodedFacts
from services.ingest.decode.limits import DecodeLimits
from services.ingest.decode.process import ChildDied, ChildProcess, ChildTimeout
from shared import metrics
from shared.errors import EarmarkError
from shared.telemetry import logger
from shared.units import SAMPLE_RATE_HZ

_log = logger("ingest.decode")


class Decoder:
    """Keeps one child alive for many files; the child starts with the first file.

    Threads may share a Decoder, but their files then wait for each other: give each thread its own. The child dies
    with the thread that started it. After a fork the new process starts a child of its own.
    """

    def __init__(self, limits: DecodeLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._child: ChildProcess | None = None

    def decode(self, source: Path, target: Path, rate_hz: int = SAMPLE_RATE_HZ) -> DecodedFacts:
        """Decode all of `source` and write it to `target` as mono FLAC at a rate; the facts are measured on that.

        A crash counts against a file only if it happens again in a fresh process: a child may also be killed for what
        its neighbours do. Raises the RejectedInput subclasses of `errors`, DecoderUnavailable for what is not the
        file's fault, and FileNotFoundError. After any error there is no target.
        """
        timeout_s = self._limits.time_s(_checked_size(source, self._limits))
        began_s = monotonic()
        with self._lock:
            outcome = self._attempt(source, target, rate_hz, timeout_s)
            if isinstance(outcome, DecoderCrashed | DecodeMemory):
                _log.warning("decoder_crashed", code=outcome.code, detail=outcome.detail)
                self._drop()
                outcome = self._attempt(source, target, rate_hz, timeout_s)
                if isinstance(outcome, DecoderCrashed | DecodeMemory):
                    self._drop()
        metrics.observe("earmark_decode_seconds", monotonic() - began_s)
        if isinstance(outcome, DecodedFacts):
            metrics.count("earmark_decoded_audio_seconds_total", outcome.n_samples / rate_hz)
            return outcome
        target.unlink(missing_ok=True)
        raise outcome

    def close(self) -> None:
        """Kill the child. The next file would start another."""
        with self._lock:
            self._drop()

    def __enter__(self) -> "Decoder":  # noqa: PYI034  # beartype takes methods one by one in tests, and knows no Self there
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def child_pid(self) -> int | None:
        """The process id of the child, None while there is none."""
        return self._child.pid if self._child is not None else None

    def _attempt(self, source: Path, target: Path, rate_hz: int, timeout_s: float) -> DecodedFacts | EarmarkError:
        child = self._ready_child()
        request: dict[str, object] = {
            "source": os.fspath(source.absolute()),
            "target": os.fspath(target.absolute()),
            "rate_hz": rate_hz,
            "limits": asdict(self._limits),
        }
        try:
            answer = child.ask(request, timeout_s)
            if "error" in answer:
                return error_of(str(answer["error"]), str(answer.get("detail", "")))
            return _facts(answer)
        except ChildTimeout:
            self._child = None
            return DecodeTimeout(f"It was given up after {timeout_s:.0f} s.")
        except ChildDied as error:
            self._child = None
            return _cause(error.returncode)
        except ValueError as error:
            return DecoderCrashed(f"The decoding process gave a senseless answer: {error}")
        except BaseException:  # a time limit, say: the answer that is still to come must not answer the next request
            self._drop()
            raise

    def _ready_child(self) -> ChildProcess:
        child = self._child
        if child is not None and (not child.usable() or child.n_files >= self._limits.files_per_child):
            self._drop()
            child = None
        if child is None:
            child = self._child = ChildProcess(self._limits)
            _log.debug("decoder_started", pid=child.pid, network=child.network)
        return child

    def _drop(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


def _checked_size(source: Path, limits: DecodeLimits) -> int:
    found = source.stat()
    if not stat.S_ISREG(found.st_mode):
        raise NotAudio("It is a folder, a pipe or a device.")
    if found.st_size > limits.max_file_bytes:
        raise TooLarge(f"It has {found.st_size:,} bytes.")
    return found.st_size


def _facts(answer: dict[str, object]) -> DecodedFacts:
    members = answer.get("facts")
    if not isinstance(members, dict):
        raise ValueError("no facts")  # noqa: TRY004  # what the caller catches
    return DecodedFacts.from_json(members)


def _cause(returncode: int) -> EarmarkError:
    if returncode == 0:
        return DecoderUnavailable("The decoding process ended by itself.")
    if returncode == -signal.SIGKILL:  # we did not: the kernel does so when memory runs out
        return DecodeMemory("The system killed the decoding process, most likely for its memory.")
    name = signal.Signals(-returncode).name if returncode < 0 else f"exit status {returncode}"
    return DecoderCrashed(f"The decoding process died of {name}.")
