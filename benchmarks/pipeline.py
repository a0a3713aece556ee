"""The whole durable pipeline against a plain script.

Ours: from objects in the bucket to vectors in Postgres, through watcher, ledger, Celery, decoder and embedder. Theirs:
a loop over local files with the resemblyzer package, results in memory, at its best thread count. Both have both
cores, model load is excluded on both sides, and they take turns. Needs a folder of real speech.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from time import perf_counter, sleep

import psycopg
from minio import Minio

from benchmarks.report import Comparison
from benchmarks.servers import running
from services.ingest.hint_server import hint_server
from services.ingest.looking import Looker
from services.launcher.stack import SERVICES, StackState
from shared.settings import Settings
from shared.storage import collections
from shared.storage.database import Database
from shared.storage.objects import ObjectStore

FOLDER = Path(os.environ.get("EARMARK_BENCH_FOLDER", "../shared/data/dev"))
ROUNDS = int(os.environ.get("EARMARK_BENCH_ROUNDS", "3"))
THREADS = (1, 2)  # the script's thread counts to choose the best from
N_WARM_UP = 16
# The watcher would see objects as they are put: the clock must start when all of them are there.
WORKERS = tuple(name for name in SERVICES if name not in {"watch", "console", "flower"})


def run() -> Iterator[Comparison]:
    if not FOLDER.is_dir():
        print(f"pipeline: left out, {FOLDER} is not there; EARMARK_BENCH_FOLDER names another folder of speech")
        return
    with running(WORKERS) as (state, settings):
        bench = _Pipeline(state, settings)
        bench.embed(_files(FOLDER / "words")[:N_WARM_UP])
        for part in ("words", "speech"):
            files = _files(FOLDER / part)
            ours, theirs = [], {n: [] for n in THREADS}
            for _ in range(ROUNDS):
                ours.append(bench.embed(files))
                for n_threads in THREADS:
                    theirs[n_threads].append(_script(files, n_threads))
            best = min(theirs.values(), key=min)
            name = f"whole pipeline, {part} ({len(files)} files)"
            yield Comparison(name, "a plain resemblyzer script at its best thread count", "seconds", ours, best, 1.0)


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*.flac") if p.is_file())


class _Pipeline:
    """A warm stack that embeds folders, each time as a new collection."""

    def __init__(self, state: StackState, settings: Settings) -> None:
        self._state, self._settings = state, settings
        self._numbers = count()
        self._database = Database(settings.database)
        looking = ThreadPoolExecutor(4)
        # The store's hints find a listener, as in the whole stack; here it ignores them, the sweep is what is timed.
        door = hint_server(settings, lambda _: None)
        threading.Thread(target=door.serve_forever, daemon=True).start()
        self._looker = Looker(self._database, ObjectStore(settings.s3), looking, settings)

    def embed(self, files: list[Path]) -> float:
        """Seconds from the sweep that finds the objects to the last committed vector."""
        name = f"bench-{next(self._numbers)}"
        with self._database.begin() as tx:
            collections.create(tx, name, "whole", ("ge2e",))
        self._put(name, files)
        n_recordings = len({path.read_bytes() for path in files})  # the same bytes twice are one recording
        with psycopg.connect(self._state.database_url, autocommit=True) as connection:
            began = perf_counter()
            self._looker.sweep(f"{name}/")
            query = "SELECT count(*) FROM recording WHERE collection = %s AND state = 'ready'"
            while connection.execute(query, (name,)).fetchone()[0] < n_recordings:
                sleep(0.02)
            took_s = perf_counter() - began
            while connection.execute("SELECT count(*) FROM delivery").fetchone()[0]:
                sleep(0.1)
        return took_s

    def _put(self, name: str, files: list[Path]) -> None:
        address = self._state.s3_endpoint.removeprefix("http://")
        access = {"access_key": self._state.s3_access_key, "secret_key": self._state.s3_secret_key}
        client = Minio(address, **access, secure=False, region="us-east-1")
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda p: client.fput_object("audio", f"{name}/{p.parent.name}/{p.name}", str(p)), files))


_SCRIPT = """
import sys, time, warnings
warnings.filterwarnings("ignore")
import torch
torch.set_num_threads(int(sys.argv[1]))
from resemblyzer import VoiceEncoder, preprocess_wav
encoder = VoiceEncoder("cpu", verbose=False)
paths = sys.stdin.read().split("\\n")
encoder.embed_utterance(preprocess_wav(paths[0]))
began = time.perf_counter()
vectors = [encoder.embed_utterance(preprocess_wav(path)) for path in paths]
print(time.perf_counter() - began)
"""


def _script(files: list[Path], n_threads: int) -> float:
    """What a researcher would write, its loop alone on the clock."""
    environment = os.environ | {"OMP_NUM_THREADS": str(n_threads), "MKL_NUM_THREADS": str(n_threads)}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(n_threads)],
        input="\n".join(map(str, files)),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])
