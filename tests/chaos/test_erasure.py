"""Recordings are erased while workers hold work on them, frozen or about to be killed: nothing of them comes back."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import sleep
from typing import Any

import psutil
import pytest

from tests.chaos import faults
from tests.chaos.conftest import Clips
from tests.chaos.exporting import Exporter
from tests.chaos.loads import as_wav, put_all, putting
from tests.chaos.observing import Observer, Outcome
from tests.chaos.scale import scaled
from tests.support.stack import AUDIO, DERIVED, FullStack, until

Report = Callable[[Outcome], Outcome]
NAME = "erasures"
WORKERS = (*faults.WORKERS, "clusterer")
HOLDERS = ["ingest.segment", "embedder.embed", "clusterer.assign"]  # whose events name a recording
KILL_EVERY, CLUSTER_EVERY, N_VOICES = 3, 2, 4  # the first two in rounds

_HELD = """
    SELECT DISTINCT r.recording_id::text, r.sha256, o.key FROM delivery d JOIN event e USING (event_id)
    JOIN recording r ON CAST(r.recording_id AS text) = e.data->>'recording_id' JOIN stored_object o USING (recording_id)
    WHERE d.state = 'leased' AND d.subscription = ANY(%s) AND r.collection = %s LIMIT 5
"""
_CLUSTERED = """
    SELECT r.recording_id::text, r.sha256, o.key FROM cluster_member m JOIN segment s USING (segment_id)
    JOIN recording r ON r.recording_id = s.recording_id JOIN stored_object o ON o.recording_id = r.recording_id
    WHERE r.collection = %s LIMIT 1
"""
_SEGMENTS = "SELECT segment_id::text FROM segment WHERE recording_id = ANY(CAST(%s AS uuid[]))"
_SEGMENTS_EVER = "SELECT segment_id::text FROM observed.segment WHERE recording_id = ANY(CAST(%s AS uuid[]))"
_UNFINISHED = "SELECT FROM erasure WHERE finished_at IS NULL"
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
_WORDS_IN = """
    WITH row AS MATERIALIZED (SELECT t::text AS said FROM "{table}" t)
    SELECT word FROM unnest(CAST(%s AS text[]), CAST(%s AS text[])) AS w(word, as_bytes)
    WHERE EXISTS (SELECT FROM row WHERE strpos(said, word) > 0 OR strpos(said, as_bytes) > 0)
"""
# Where each kind of word stays for a while: hashes in the names of deleted blobs for an hour, ids in the log of calls.
_KNOWN = {
    "recording": {"tombstone", "event", "condemned_blob", "audit_entry"},
    "segment": {"audit_entry"},
    "name": {"condemned_blob"},
}


@dataclass(frozen=True)
class Held:
    """A recording that workers had work on when it was erased, or that was in a cluster."""

    recording_id: str
    sha256: str
    key: str


@dataclass
class Erased:
    """What was erased so far, and what had been done with it before."""

    recordings: list[Held] = field(default_factory=list)
    labelled: set[str] = field(default_factory=set)  # segments
    clustered: set[str] = field(default_factory=set)  # recordings
    n_heard: int = 0  # segments that the console played

    def words(self, mortal: FullStack, recordings: Sequence[Held] | None = None) -> dict[str, set[str]]:
        """By which each kind of thing would be known, if any of it were left."""
        recordings = self.recordings if recordings is None else recordings
        ids = [one.recording_id for one in recordings]
        return {
            "recording": set(ids),
            "segment": {segment_id for (segment_id,) in mortal.sql(_SEGMENTS_EVER, ids)},
            "name": {name for one in recordings for name in (one.key, one.sha256)},
        }


def test_recordings_are_erased_while_they_are_in_work(
    mortal: FullStack,
    observer: Observer,
    clips: Clips,
    report: Report,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    n, n_files, n_first = scaled(200, 14), scaled(2000, 120), scaled(200, 24)
    erased = Erased()
    n_rounds = 0
    # Bytes that no other test has put into this stack: what another collection needs would stay.
    files = as_wav(clips(n_files), tmp_path_factory.mktemp("wav"), times=3)
    put_all(mortal, NAME, files[:n_first])
    observer.wait(NAME, n_first)
    cluster(mortal)
    until(lambda: mortal.sql(_CLUSTERED, NAME))
    with Exporter(mortal, NAME) as exporter:
        with putting(mortal, NAME, files[n_first:]):
            while len(erased.recordings) < n:
                n_rounds += 1
                if n_rounds % CLUSTER_EVERY == 0:
                    cluster(mortal)
                erase_what_is_held(mortal, erased, exporter, kill=n_rounds % KILL_EVERY == 0)
        until(lambda: not mortal.sql(_UNFINISHED), timeout_s=120, every_s=0.25)
        observer.wait(NAME, n_files - len(erased.recordings))
    words = erased.words(mortal)
    left = traces(mortal, words)
    until(lambda: not stored(mortal, words), timeout_s=30, every_s=0.25)
    until(lambda: not in_scratch(mortal, words), timeout_s=30, every_s=0.25)
    outcome = observer.outcome("erased while workers held them", NAME, n_files - len(erased.recordings))
    n_left = len(set().union(exporter.shown, *left.values()))
    told = (
        f"{n_rounds} times frozen; {len(erased.labelled)} segments of them labelled, {len(erased.clustered)} in "
        f"clusters, {erased.n_heard} played; exported {exporter.n_read} times"
    )
    report(replace(outcome, faults=len(erased.recordings), doubled=n_left, note=told))
    assert left == {}
    assert exporter.shown == set()
    assert min(len(erased.labelled), len(erased.clustered), erased.n_heard, exporter.n_read) > 0, told
    assert outcome.lost == 0


def cluster(mortal: FullStack) -> None:
    with mortal.api() as api:
        api.post(f"/v1/collections/{NAME}/clusterings", json={}).raise_for_status()


def erase_what_is_held(mortal: FullStack, erased: Erased, exporter: Exporter, *, kill: bool) -> None:
    """Freeze the workers in the middle of something, erase what they hold, and let them go on, or die."""
    workers = [process for name in WORKERS for process in faults.workers(mortal.data_dir, name)]
    until(lambda: mortal.sql(_HELD, HOLDERS, NAME), timeout_s=120, every_s=0.002)
    with ThreadPoolExecutor(1) as thread:
        with faults.frozen(workers):
            held = {Held(*row) for row in mortal.sql(_HELD, HOLDERS, NAME)}  # none if they had just finished
            clustered = {Held(*row) for row in mortal.sql(_CLUSTERED, NAME)} if held else set()
            done = thread.submit(use_and_erase, mortal, [*held | clustered], erased, exporter)
            sleep(0.3)  # it waits for whoever is in the middle of a commit
            if kill:
                for process in workers:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
        done.result(60)
    erased.clustered |= {one.recording_id for one in clustered}


def use_and_erase(mortal: FullStack, held: Sequence[Held], erased: Erased, exporter: Exporter) -> None:
    """Name who speaks in them and listen, so that labels and caches know of them; then erase them."""
    if not held:
        return
    ids = [one.recording_id for one in held]
    segments = [segment_id for (segment_id,) in mortal.sql(_SEGMENTS, ids)]
    with mortal.api() as api:
        if segments:
            voice = f"Voice {len(erased.recordings) % N_VOICES}"
            api.post("/v1/labels", json={"segment_ids": segments, "speaker": voice}).raise_for_status()
            erased.labelled |= set(segments)
            erased.n_heard += sum(api.get(f"/v1/segments/{one}/audio").is_success for one in segments[:2])
        path = f"/v1/collections/{NAME}/recordings/erase"
        api.post(path, json={"recording_ids": ids}).raise_for_status()
    erased.recordings += held
    exporter.erased(set().union(*erased.words(mortal, held).values()))


def traces(mortal: FullStack, words: dict[str, set[str]]) -> dict[str, set[str]]:
    """In which tables anything of it is still written down, whatever column it stands in."""
    found: dict[str, set[str]] = {}
    for (table,) in mortal.sql(_TABLES):
        wanted = sorted(set().union(*(some for kind, some in words.items() if table not in _KNOWN[kind])))
        as_bytes = [word.encode().hex() for word in wanted]
        if there := mortal.sql(_WORDS_IN.format(table=table), wanted, as_bytes):
            found[table] = {word for (word,) in there}
    return found


def stored(mortal: FullStack, words: dict[str, set[str]]) -> set[str]:
    """Objects and blobs of it."""
    store: Any = mortal.s3()
    originals = [entry.object_name for entry in store.list_objects(AUDIO, prefix=f"{NAME}/", recursive=True)]
    blobs = [entry.object_name for entry in store.list_objects(DERIVED, recursive=True)]
    return set(_with_any(set().union(*words.values()), [*originals, *blobs]))


def in_scratch(mortal: FullStack, words: dict[str, set[str]]) -> set[str]:
    """Files of it on the console's disk; and any of ingest's, which has nothing to do.

    Embedders keep copies for half an hour after they wanted them, as docs/privacy.md says.
    """
    heard = _with_any(words["recording"], _scratch_files(mortal, "console"))
    return {*heard, *_scratch_files(mortal, "ingest")}


def _scratch_files(mortal: FullStack, service: str) -> list[str]:
    """Of the folders that the processes of a service hold open, as they do as long as they live."""
    holders = faults.family(faults.program(mortal.data_dir, service))
    folders = {folder for process in holders for folder in _opened(process) if f"earmark-scratch-{service}-" in folder}
    return [str(path) for folder in folders for path in Path(folder).rglob("*") if path.is_file()]


def _opened(process: psutil.Process) -> list[str]:
    with suppress(OSError):
        return [str(handle.readlink()) for handle in Path(f"/proc/{process.pid}/fd").iterdir()]
    return []


def _with_any(words: set[str], names: Iterable[str]) -> list[str]:
    return [name for name in names if any(word in name for word in words)]
