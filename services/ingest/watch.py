"""Watch the audio bucket: hints make it quick, the sweep makes it certain."""

import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import psycopg

from services.ingest.hint_server import hint_server
from services.ingest.hints import UnreadableHint, from_stream
from services.ingest.looking import Looker
from shared import metrics
from shared.errors import TransientError
from shared.ledger.heartbeat import Heart
from shared.ledger.process import loop, stop_on_signals
from shared.settings import Settings
from shared.storage.database import Database
from shared.storage.objects import ObjectStore
from shared.telemetry import configure_logging, logger

log = logger("watch")

HINT_CHANNEL = "earmark_hint"  # NOTIFY with a collection's name: somebody has finished uploading there
LINGER_S = 0.02  # hints come in swarms: wait this long for the rest of one
MOST_LOOKUPS = 200  # more named keys than this are found faster by listing their collections
SWEEP_SHARE = 0.1  # of its time the watcher may spend sweeping a bucket that takes long to list
SWEEPS_COMPARED = 10  # the quickest of so many tells how long that is


class Watcher:
    """Turns hints and the clock into looks at the bucket."""

    def __init__(self, looker: Looker, sweep_s: float, beat: Callable[[], None] = lambda: None) -> None:
        self._looker = looker
        self._sweep_s = sweep_s
        self._beat = beat  # between the pages of a long sweep
        self._keys: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._next_sweep_s = monotonic()
        self._took_s: deque[float] = deque(maxlen=SWEEPS_COMPARED)
        self._sweeping: list[str] = []  # prefixes: the one that is listed, and the one between whose pages it is
        self._aside: set[str] = set()  # prefixes that were hinted at meanwhile

    def heard(self, keys: list[str]) -> None:
        """Take hints from any thread: keys, or prefixes that end in a slash."""
        for key in keys:
            self._keys.put(key)

    def step(self, stop: threading.Event) -> None:
        """Wait for hints or for the next sweep, then look."""
        del stop
        wait_s = min(max(0.0, self._next_sweep_s - monotonic()), 1.0)
        hinted = self._drain(wait_s)
        try:
            self._look(hinted)
        except TransientError:
            self._next_sweep_s = monotonic()  # hints that could not be followed: sweep as soon as it works again
            raise
        if monotonic() >= self._next_sweep_s:
            self._sweep()

    def _drain(self, wait_s: float) -> set[str]:
        keys = set()
        try:
            keys.add(self._keys.get(timeout=wait_s))
            sleep(LINGER_S)
            while True:
                keys.add(self._keys.get_nowait())
        except queue.Empty:
            return keys

    def _look(self, hinted: set[str]) -> None:
        prefixes = {key for key in hinted if key.endswith("/")}
        keys = hinted - prefixes
        if len(keys) > MOST_LOOKUPS:
            prefixes |= {key.partition("/")[0] + "/" for key in keys}
            keys = set()
        if self._sweeping:
            self._aside |= prefixes
            prefixes = set()
        n_new = self._looker.look(keys) if keys else 0
        n_new += sum(self._list(prefix) for prefix in sorted(prefixes))
        self._count_hinted(n_new)

    def _count_hinted(self, n_new: int) -> None:
        if n_new:
            metrics.count("earmark_objects_seen_total", n_new, by="hint")
            log.info("objects_seen", n_new=n_new, by="hint")

    def _list(self, prefix: str) -> int:
        """Sweep a prefix; between its pages look where else something is said to be, so that no few wait for many."""
        self._sweeping.append(prefix)
        try:
            return self._looker.sweep(prefix, self._look_meanwhile)
        finally:
            self._sweeping.pop()
            if not self._sweeping:
                aside, self._aside = self._aside, set()
                self.heard(sorted(aside))

    def _look_meanwhile(self) -> None:
        """Keys at once; other prefixes one after the other, so that hints to each of many do not pile up."""
        self._beat()
        self._look(self._drain(0.0))
        if len(self._sweeping) == 1:
            waiting = self._aside.difference(self._sweeping)  # those that are hinted at from now on have the next page
            self._aside -= waiting
            self._count_hinted(sum(self._list(prefix) for prefix in sorted(waiting)))

    def _sweep(self) -> None:
        began_s = monotonic()
        n_new = self._list("")
        took_s = monotonic() - began_s
        self._took_s.append(took_s)
        # Those that a slow network held up say nothing of the bucket, nor does the first one, whatever it was.
        usual_s = min(self._took_s) if len(self._took_s) > 1 else 0.0
        self._next_sweep_s = monotonic() + max(self._sweep_s, usual_s / SWEEP_SHARE)
        metrics.observe("earmark_sweep_seconds", took_s)
        if n_new:
            metrics.count("earmark_objects_seen_total", n_new, by="sweep")
            log.info("objects_seen", n_new=n_new, by="sweep", took_s=round(took_s, 3))


def _listen_to_console(database: Database, watcher: Watcher, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            with database.listen(HINT_CHANNEL) as connection:
                for note in connection.notifies():
                    watcher.heard([f"{note.payload}/"])
        except (TransientError, psycopg.OperationalError):
            stop.wait(1.0)


def _listen_to_minio(objects: ObjectStore, bucket: str, watcher: Watcher, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            for note in objects.notifications(bucket):
                watcher.heard(from_stream(note, bucket))
        except (TransientError, UnreadableHint) as error:
            log.warning("notifications_broken", code=error.code)
            stop.wait(5.0)


def main() -> None:
    """Watch until SIGTERM."""
    settings = Settings()
    configure_logging(settings.log_level, json=settings.log_json)
    stop = stop_on_signals()
    database, objects = Database(settings.database), ObjectStore(settings.s3)
    looking = ThreadPoolExecutor(settings.ingest.fetch_threads, thread_name_prefix="look")
    heart = Heart("watch", settings.database, settings.heartbeat_s)
    watcher = Watcher(Looker(database, objects, looking, settings), settings.ingest.sweep_s, heart.beat)
    server = hint_server(settings, watcher.heard)
    ears = [
        threading.Thread(target=server.serve_forever, name="hints", daemon=True),
        threading.Thread(target=_listen_to_console, args=(database, watcher, stop), name="console", daemon=True),
    ]
    if settings.ingest.listen_notifications:
        minio = (objects, settings.s3.audio_bucket, watcher, stop)
        ears.append(threading.Thread(target=_listen_to_minio, args=minio, name="minio", daemon=True))
    for ear in ears:
        ear.start()
    loop("watch", settings, watcher.step, stop, heart)
    server.shutdown()


if __name__ == "__main__":
    main()
