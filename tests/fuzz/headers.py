"""Fuzz target: the sniffer and the readers of container headers, which see every file before any library does."""

import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from services.ingest.decode.headers.dispatch import read_promise
from services.ingest.decode.source import SourceFile
from services.ingest.sniff import HEAD_BYTES, Sniffed, sniff, sniff_file
from shared.errors import RejectedInput
from tests.bad_input.formats import FORMATS
from tests.fuzz.target import Target

_SEED_BYTES: Final = 8_000  # headers come first; an index at the end is kept whole by short files
_MEMORY_FILE: Final = os.memfd_create("fuzz")


def run(content: bytes) -> None:
    """Refused with a code, or sniffed and promised something that can be true."""
    os.ftruncate(_MEMORY_FILE, 0)
    os.pwrite(_MEMORY_FILE, content, 0)
    with suppress(RejectedInput), SourceFile(Path(f"/proc/self/fd/{_MEMORY_FILE}")) as handle:
        _check(handle, content)


def _check(handle: SourceFile, content: bytes) -> None:
    sniffed = sniff_file(handle)
    assert 0 <= sniffed.start < len(content)
    _check_agreement(sniffed, content)
    promise = read_promise(sniffed.container, handle, sniffed.start, handle.size)
    assert promise.duration_s is None or (promise.duration_s >= 0 and math.isfinite(promise.duration_s))
    assert promise.channels is None or promise.channels >= 0
    assert promise.sample_rate_hz is None or promise.sample_rate_hz >= 0


def _check_agreement(sniffed: Sniffed, content: bytes) -> None:
    """The head alone names the same container, where nothing stands before it."""
    if sniffed.start == 0:
        assert sniff(content[:HEAD_BYTES]) == sniffed.container


def _seeds() -> list[bytes]:
    return [make()[:_SEED_BYTES] for make in FORMATS.values()]


TARGET: Final = Target(run, _seeds)
