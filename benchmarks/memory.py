"""Memory of an embedding process over many files: its peak by 1,000 of them, and by 10,000.

A worker as the stack runs it, of one process; files of one second lie in the object store, and their segments are
announced as ingest does. USS, what belongs to that process alone, is read every 50 ms.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep
from uuid import uuid4

import numpy as np
import psutil
import soundfile
import sqlalchemy as sa

from benchmarks.report import Comparison
from benchmarks.servers import COLLECTION, announced, running, variable
from services.launcher import stack
from shared.events import SegmentsCreated
from shared.ledger.outbox import announce, publish
from shared.settings import Settings
from shared.storage import recordings, segments
from shared.storage.database import Database, Transaction
from shared.storage.objects import ObjectStore
from shared.storage.recordings import NewRecording
from shared.storage.segments import Cut, NewSegment
from shared.units import MIB, SAMPLE_RATE_HZ
from tests.support import audio

ENCODERS = ("spectral", "ge2e")
FEW, MANY = 1_000, 10_000
FILES_A_COMMIT = 100
EVERY_S = 0.05


def run() -> Iterator[Comparison]:
    """One comparison for each encoder, in a worker of its own."""
    for encoder in ENCODERS:
        with variable("EARMARK_STACK__EMBEDDER_PROCESSES", "1"), running(("relay", "embedder")) as (state, settings):
            database = Database(settings.database)
            announced(database, encoder)
            keys = _files(settings)
            with _peak_uss(_embedding_process(Path(state.data_dir))) as peak_bytes:
                peaks = [_embed(database, encoder, some, peak_bytes) for some in (keys[:FEW], keys[FEW:])]
            database.close()
        few, many = (peak / MIB for peak in peaks)
        name = f"peak memory of an embedder by {MANY:,} files, {encoder}"
        yield Comparison(name, f"its peak by {FEW:,}", "MiB", [many], [few], 1 / 1.1)


def _embedding_process(data_dir: Path) -> psutil.Process:
    """The worker's only child: its parent embeds nothing."""
    (worker,) = (program for program in stack.processes(data_dir) if program.name == "embedder")
    (child,) = psutil.Process(worker.pid).children()
    return child


@contextmanager
def _peak_uss(process: psutil.Process) -> Iterator[list[int]]:
    """The largest so far, in bytes, in a list of one."""
    peak_bytes, stop = [0], threading.Event()

    def watch() -> None:
        while not stop.wait(EVERY_S):
            peak_bytes[0] = max(peak_bytes[0], process.memory_full_info().uss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak_bytes
    finally:
        stop.set()
        watcher.join()


def _files(settings: Settings) -> list[str]:
    """Keys of a second of speech each, no two alike, as ingest leaves them."""
    rng = np.random.default_rng(0)
    voice, store = audio.voice(60, rng), ObjectStore(settings.s3)

    def put(key: str, start: int) -> str:
        path = Path(folder) / key
        soundfile.write(path, voice[start : start + SAMPLE_RATE_HZ], SAMPLE_RATE_HZ)
        store.put_file(settings.s3.derived_bucket, key, path, "audio/flac")
        path.unlink()
        return key

    starts = rng.integers(0, len(voice) - SAMPLE_RATE_HZ, MANY)
    with TemporaryDirectory() as folder, ThreadPoolExecutor(4) as threads:
        return list(threads.map(put, [f"{n}.flac" for n in range(MANY)], starts))


def _embed(database: Database, encoder: str, keys: list[str], peak_bytes: list[int]) -> int:
    """Announce the segments of these files and wait for their vectors; the peak from the start until then, in bytes."""
    n_before = _n_embedded(database)
    for start in range(0, len(keys), FILES_A_COMMIT):
        with database.begin() as tx:
            _announce(tx, encoder, keys[start : start + FILES_A_COMMIT])
    while _n_embedded(database) < n_before + len(keys):
        sleep(EVERY_S)
    return peak_bytes[0]


def _announce(tx: Transaction, encoder: str, keys: list[str]) -> None:
    ids = {key: uuid4() for key in keys}
    cuts = [
        Cut(own, COLLECTION, "whole@1", (NewSegment(uuid4(), 0, SAMPLE_RATE_HZ),), (encoder,)) for own in ids.values()
    ]
    files = [NewRecording(own, COLLECTION, own.hex, SAMPLE_RATE_HZ, key, {"peak": 0.4}) for key, own in ids.items()]
    recordings.register(tx, files)
    segments.write_cuts(tx, cuts)
    for cut in cuts:
        segment_ids = tuple(segment.segment_id for segment in cut.segments)
        event = SegmentsCreated(
            recording_id=cut.recording_id,
            collection=COLLECTION,
            segmenter=cut.segmenter,
            segment_ids=segment_ids,
            duration_s=1.0,
        )
        publish(tx, [announce(event)])


def _n_embedded(database: Database) -> int:
    with database.begin() as tx:
        return int(tx.execute(sa.text("SELECT count(*) FROM embedding")).scalar_one())
