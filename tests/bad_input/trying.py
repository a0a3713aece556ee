"""Give files to a real decoding child, and note what became of each: verdict, code, time and memory."""

import os
import random
import resource
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final

from structlog.testing import capture_logs

from services.ingest.decode.facts import DecodedFacts
from services.ingest.decode.limits import DecodeLimits
from services.ingest.decode.sandbox import Decoder
from shared.errors import EarmarkError
from tests.bad_input.mutating import mutated

RECORDING: Final = "recording"
FAULTS: Final = frozenset({"decoder_crashed", "decode_timeout", "decoder_unavailable"})
LONGEST_S: Final = 30.0  # that any file may hold its child
_LIMITS: Final = DecodeLimits(base_s=LONGEST_S, share=0.0)


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one file."""

    code: str  # RECORDING where it is one
    seconds: float
    cpu_s: float  # of its child, or children
    peak_mib: float | None  # that its child has held at it; None if it is dead
    facts: DecodedFacts | None = None
    detail: str = ""


def decoded(decoder: Decoder, source: Path, target: Path) -> Tried:
    """Decode a file."""
    _forget_peak(decoder.child_pid)
    began, cpu_before_s = monotonic(), _cpu_s(decoder.child_pid)
    facts, code, detail = None, RECORDING, ""
    try:
        facts = decoder.decode(source, target)
    except EarmarkError as error:
        code, detail = error.code, error.detail
    cpu_s = _cpu_s(decoder.child_pid) - cpu_before_s
    return Tried(code, monotonic() - began, cpu_s, _peak_mib(decoder.child_pid), facts, detail)


def names_in(folder: Path) -> set[str]:
    """What lies in a folder."""
    return {path.name for path in folder.iterdir()}


def _cpu_s(pid: int | None) -> float:
    """Of a child and of all that are dead."""
    dead = resource.getrusage(resource.RUSAGE_CHILDREN)
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])  # utime, stime: proc_pid_stat(5)
        return dead.ru_utime + dead.ru_stime + ticks / os.sysconf("SC_CLK_TCK")
    return dead.ru_utime + dead.ru_stime


def _forget_peak(pid: int | None) -> None:
    """Let the kernel measure a child's peak anew: proc_pid_clear_refs(5)."""
    with suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def _peak_mib(pid: int | None) -> float | None:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None


@dataclass
class Mutants:
    """What became of the mutants of one format."""

    format: str
    codes: Counter[str] = field(default_factory=Counter)
    worst_s: float = 0.0
    peak_mib: float = 0.0
    n_deaths: int = 0  # of children; a file is tried again after its first one
    strays: set[str] = field(default_factory=set)  # files that nobody asked for
    faults: list[tuple[str, bytes]] = field(default_factory=list)  # mutants that nobody should be able to write

    def add(self, tried: Tried, content: bytes) -> None:
        """Take one mutant into account."""
        self.codes[tried.code] += 1
        self.worst_s = max(self.worst_s, tried.seconds)
        self.peak_mib = max(self.peak_mib, tried.peak_mib or 0.0)
        if tried.code in FAULTS:
            self.faults.append((f"{tried.code}: {tried.detail}", content))


def try_mutants(name: str, content: bytes, n: int, folder: Path) -> Mutants:
    """Decode so many mutants of a valid file, always the same ones, in a folder that must stay as empty as it is."""
    result, rng = Mutants(name), random.Random(name)
    source, target = folder / "source", folder / "target"
    with Decoder(_LIMITS) as decoder, capture_logs() as logged:
        for _ in range(n):
            mutant = mutated(content, rng)
            source.write_bytes(mutant)
            n_deaths = _deaths(logged)
            result.add(decoded(decoder, source, target), mutant)
            if _deaths(logged) > n_deaths:
                result.faults.append(("a child died", mutant))
            result.strays.update(names_in(folder) - {"source", "target"})
            target.unlink(missing_ok=True)
    result.n_deaths = _deaths(logged)
    return result


def _deaths(logged: Sequence[Mapping[str, Any]]) -> int:
    """Children that did not live to answer; one that answers that it has no memory left says no more than that."""
    return sum(entry["event"] == "decoder_crashed" and entry["detail"] != "" for entry in logged)
