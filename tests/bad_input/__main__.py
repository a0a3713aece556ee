"""Print what becomes of every case and of the mutants of every format, as the tables of docs/bad-input.md.

`python -m tests.bad_input [cases] [mutants]`. `EARMARK_BAD_INPUT=full` adds the cases that take minutes, and makes
5,000 mutants of each format.
"""

import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

import structlog

from services.ingest.decode.sandbox import Decoder
from tests.bad_input.cases import Case
from tests.bad_input.formats import FORMATS
from tests.bad_input.scale import N_MUTANTS, TRIED
from tests.bad_input.trying import RECORDING, Mutants, Tried, decoded, try_mutants

_PROCESSES: Final = 2


def main() -> int:
    """Print both tables, or the one that is named; the exit status says whether all is as it must be."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    parts = sys.argv[1:] or ["cases", "mutants"]
    good = "cases" not in parts or _print_cases(TRIED)
    return 0 if ("mutants" not in parts or _print_mutants(N_MUTANTS)) and good else 1


def _print_cases(cases: list[Case]) -> bool:
    print("| case | verdict | code | seconds | peak MiB |\n|---|---|---|---|---|")
    good = True
    for case in cases:
        tried = _alone(case)
        verdict, code = ("accepted", "") if tried.code == RECORDING else ("rejected", f"`{tried.code}`")
        memory = "-" if tried.peak_mib is None else f"{tried.peak_mib:.0f}"
        wrong = "" if tried.code == case.expected else f" NOT {case.expected}"
        good = good and not wrong
        print(f"| {case.name} | {verdict} | {code}{wrong} | {tried.seconds:.2f} | {memory} |", flush=True)
    return good


def _alone(case: Case) -> Tried:
    """One case in a child of its own, started before the clock is."""
    with tempfile.TemporaryDirectory() as name, Decoder(case.limits) as decoder:
        folder = Path(name)
        (folder / "empty").touch()
        decoded(decoder, folder / "empty", folder / "target")
        case.build(folder / "source")
        return decoded(decoder, folder / "source", folder / "target")


def _mutants(name: str, n: int) -> Mutants:
    with tempfile.TemporaryDirectory() as folder:
        return try_mutants(name, FORMATS[name](), n, Path(folder))


def _print_mutants(n: int) -> bool:
    print("\n| format | mutants | recordings | refused, by code | worst s | peak MiB | deaths |")
    print("|---|---|---|---|---|---|---|")
    with ProcessPoolExecutor(_PROCESSES) as pool:
        good = [_print_format(found) for found in pool.map(_mutants, FORMATS, [n] * len(FORMATS))]
    return all(good)


def _print_format(found: Mutants) -> bool:
    refused = ", ".join(f"`{code}` {n}" for code, n in found.codes.most_common() if code != RECORDING)
    print(
        f"| {found.format} | {found.codes.total()} | {found.codes[RECORDING]} | {refused} "
        f"| {found.worst_s:.1f} | {found.peak_mib:.0f} | {found.n_deaths} |",
        flush=True,
    )
    for why, content in found.faults:
        with tempfile.NamedTemporaryFile(prefix="mutant-", delete=False) as kept:
            kept.write(content)
        print(f"{why}: {kept.name}", file=sys.stderr)
    return not found.faults and not found.strays


if __name__ == "__main__":
    sys.exit(main())
