"""Fuzz one target, led by the coverage of its code: `python -m tests.fuzz TARGET SEEDS [libFuzzer's options]`.

Without arguments every target is fuzzed in a process of its own for EARMARK_FUZZ_S seconds, and a table printed.
"""

import importlib
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.fuzz import TARGETS

_SECONDS: Final = int(os.environ.get("EARMARK_FUZZ_S", "60"))
_OURS: Final = 0.5  # of the changes are the target's own, the others libFuzzer's, which follow comparisons
_DONE: Final = re.compile(r"#(?P<runs>\d+)\s+DONE\s+cov: (?P<edges>\d+) ft: \d+ corp: (?P<corpus>\d+)/")


def _fuzz(name: str, arguments: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["services.ingest", "shared.events", "shared.sidecars"]):
        target = importlib.import_module(f"tests.fuzz.{name}").TARGET
    seeds = Path(arguments[0])
    for number, seed in enumerate(target.seeds()):
        (seeds / f"seed-{number}").write_bytes(seed)

    def mutate(content: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        changed = target.mutate(content, rng) if rng.random() < _OURS else atheris.Mutate(content, max_size)
        return changed[:max_size]

    atheris.Setup([sys.argv[0], *arguments], target.run, custom_mutator=mutate)
    atheris.Fuzz()


def _fuzz_all() -> int:
    print(f"| target | executions in {_SECONDS} s | edges covered by the seeds | in the end | corpus | crashes |")
    print("|---|---|---|---|---|---|")
    return sum([_row(name) for name in TARGETS])


def _row(name: str) -> int:
    """Print what came of one target; returns how many inputs broke it: libFuzzer stops at the first."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
        options = [f"-max_total_time={_SECONDS}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=16384", "-seed=1"]
        command = [sys.executable, "-m", "tests.fuzz", name, folder, *options, f"-artifact_prefix={kept}/"]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
    done, first = _DONE.search(said.stderr), re.search(r"INITED\s+cov: (\d+)", said.stderr)
    crashes = list(kept.iterdir())
    if done is None or crashes:
        print(said.stderr[-4000:], *crashes, sep="\n", file=sys.stderr)
    else:
        kept.rmdir()
    runs, edges, corpus = (done["runs"], done["edges"], done["corpus"]) if done else ("-", "-", "-")
    print(f"| {name} | {runs} | {first[1] if first else '-'} | {edges} | {corpus} | {len(crashes)} |", flush=True)
    return len(crashes) + (done is None)


if __name__ == "__main__":
    if sys.argv[1:]:
        _fuzz(sys.argv[1], sys.argv[2:])
    else:
        sys.exit(_fuzz_all())
