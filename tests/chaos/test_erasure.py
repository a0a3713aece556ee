"""Recordings are erased while workers hold work on them, frozen or about to be killed: nothing of them comes back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

import pytest

from shared.settings import DatabaseSettings
from shared.storage.database import Database
from tests.chaos import faults
from tests.chaos.conftest import Clips
from tests.chaos.loads import as_wav, putting
from tests.chaos.observing import Observer, Outcome
from tests.chaos.scale import scaled
from tests.support.stack import AUDIO, DERIVED, FullStack, until
from tests.support.traces import everywhere

Report = Callable[[Outcome], Outcome]
NAME = "erasures"
KILL_EVERY = 3  # rounds

_HELD = """
    SELECT DISTINCT r.recording_id, r.sha256, o.key FROM delivery d JOIN event e USING (event_id)
    JOIN recording r ON CAST(r.recording_id AS text) = e.data->>'recording_id' JOIN stored_object o USING (recording_id)
    WHERE d.state = 'leased' AND d.subscription IN ('ingest.segment', 'embedder.embed') AND r.collection = %s LIMIT 5
"""
_UNFINISHED = "SELECT FROM erasure WHERE finished_at IS NULL"
# An id by which it is known again; hashes in the names of deleted blobs are forgotten after an hour.
_REMEMBERS = {"tombstone", "event", "condemned_blob", "audit_entry"}


@dataclass(frozen=True)
class Held:
    """A recording that workers had work on when it was erased."""

    recording_id: str
    sha256: str
    key: str


@pytest.fixture
def everything(mortal: FullStack) -> Iterator[Database]:
    database = Database(DatabaseSettings(url=mortal.state.database_url))
    yield database
    database.close()


def test_recordings_are_erased_while_they_are_in_work(
    mortal: FullStack,
    observer: Observer,
    clips: Clips,
    report: Report,
    everything: Database,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    n, n_files = scaled(200, 20), scaled(2000, 120)
    erased: list[Held] = []
    n_rounds = 0
    # Bytes that no other test has put into this stack: what another collection needs would stay.
    with putting(mortal, NAME, as_wav(clips(n_files), tmp_path_factory.mktemp("wav"), times=3)):
        while len(erased) < n:
            n_rounds += 1
            erased += erase_what_is_held(mortal, kill=n_rounds % KILL_EVERY == 0)
    until(lambda: not mortal.sql(_UNFINISHED), timeout_s=120, every_s=0.25)
    observer.wait(NAME, n_files - len(erased))
    left = {trace: found for one in erased for trace, found in traces(everything, one).items()}
    until(lambda: not stored(mortal, erased), timeout_s=30, every_s=0.25)
    outcome = observer.outcome("erased while workers held them", NAME, n_files - len(erased))
    report(replace(outcome, faults=len(erased), doubled=len(left), note=f"{n_rounds} times frozen"))
    assert left == {}
    assert outcome.lost == 0


def erase_what_is_held(mortal: FullStack, *, kill: bool) -> list[Held]:
    """Freeze the workers in the middle of something, erase what they hold, and let them go on, or die."""
    workers = [process for name in faults.WORKERS for process in faults.workers(mortal.data_dir, name)]
    until(lambda: mortal.sql(_HELD, NAME), timeout_s=120, every_s=0.002)
    with faults.frozen(workers):
        held = [Held(str(recording_id), sha256, key) for recording_id, sha256, key in mortal.sql(_HELD, NAME)]
        eraser = Thread(target=erase, args=(mortal, [one.recording_id for one in held]))
        if held:  # else they had just finished
            eraser.start()
            sleep(0.3)  # it waits for whoever is in the middle of a commit
        if kill:
            for process in workers:
                process.kill()
    if held:
        eraser.join(60)
    return held


def erase(mortal: FullStack, recording_ids: list[str]) -> None:
    with mortal.api() as api:
        path = f"/v1/collections/{NAME}/recordings/erase"
        api.post(path, json={"recording_ids": recording_ids}).raise_for_status()


def traces(database: Database, one: Held) -> dict[str, dict[str, int]]:
    """Where anything of it is still written down."""
    found = {
        one.recording_id: everywhere(database, one.recording_id, _REMEMBERS),
        one.key: everywhere(database, one.key, _REMEMBERS - {"event"}),
        one.sha256: everywhere(database, one.sha256, _REMEMBERS - {"event"}),
    }
    return {trace: tables for trace, tables in found.items() if tables}


def stored(mortal: FullStack, erased: list[Held]) -> set[str]:
    """Objects and blobs of it."""
    store: Any = mortal.s3()
    originals = {entry.object_name for entry in store.list_objects(AUDIO, prefix=f"{NAME}/", recursive=True)}
    blobs = {entry.object_name for entry in store.list_objects(DERIVED, recursive=True)}
    hashes = {one.sha256 for one in erased}
    return originals & {one.key for one in erased} | {key for key in blobs if Path(key).stem in hashes}
