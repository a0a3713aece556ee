"""What the idle stack costs, process by process: memory (PSS: shared pages divided among their users) and CPU."""

from collections.abc import Iterator
from pathlib import Path
from time import sleep

import psutil

from benchmarks.report import Comparison
from benchmarks.servers import running
from services.launcher import stack
from shared.units import MIB

SETTLE_S, WATCH_S = 20, 60


def run() -> Iterator[Comparison]:
    with running(None) as (state, _):
        data_dir = Path(state.data_dir)
        sleep(SETTLE_S)
        before = {p.name: p for p in stack.processes(data_dir)}
        sleep(WATCH_S)
        print(f"{'process':12} {'PSS MiB':>8} {'CPU %':>6}   over {WATCH_S} s idle")
        total_mib = total_percent = 0.0
        for program in stack.processes(data_dir):
            pss_mib = _pss_mib(program.pid, alone=program.name == "supervisord")
            percent = 100 * (program.cpu_s - before[program.name].cpu_s) / WATCH_S
            total_mib, total_percent = total_mib + pss_mib, total_percent + percent
            print(f"{program.name:12} {pss_mib:8.0f} {percent:6.2f}")
        print(f"{'all':12} {total_mib:8.0f} {total_percent:6.2f}")
    yield from ()


def _pss_mib(pid: int, *, alone: bool) -> float:
    root = psutil.Process(pid)
    family = [root] if alone else [root, *root.children(recursive=True)]
    return sum(p.memory_full_info().pss for p in family) / MIB
