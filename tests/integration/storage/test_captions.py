"""Captions become segments whichever comes first, attributes or recording, and also when both come at once."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from time import sleep
from uuid import UUID

import pytest
import sqlalchemy as sa

from shared import ids
from shared.storage import attributes, captions, collections, recordings, segments
from shared.storage.captions import Settled
from shared.storage.database import Database, Transaction
from shared.storage.recordings import NewRecording, Outcome, SeenObject
from shared.storage.segments import Cut, NewSegment

NAME, KEY, TEXTS = "clips", "clips/a.wav", ["Rain.", "It rains."]
RECORDING = ids.recording_id(NAME, "a")
N_SAMPLES = 48_000


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def seen(database: Database) -> Database:
    """An object that nobody has registered yet."""
    with database.begin() as tx:
        collections.create(tx, NAME, "whole", ("spectral",))
        recordings.see(tx, [SeenObject(ids.object_id("audio", KEY), NAME, "audio", KEY, "etag", 10)])
    return database


def register(tx: Transaction, key: str = KEY) -> Settled:
    """As ingest does."""
    recordings.settle(tx, [Outcome(ids.object_id("audio", key), "etag", "etag", RECORDING)])
    recordings.register(tx, [NewRecording(RECORDING, NAME, "a", N_SAMPLES, "k", {})])
    return captions.settle(tx, [RECORDING])


def cut(tx: Transaction) -> Settled:
    """As ingest does."""
    segment_id = ids.segment_id(RECORDING, "whole@1", 0, N_SAMPLES)
    segments.write_cuts(tx, [Cut(RECORDING, NAME, "whole@1", (NewSegment(segment_id, 0, N_SAMPLES),), ("spectral",))])
    return captions.settle(tx, [RECORDING])


def say(database: Database, key: str = KEY) -> Settled:
    """As the API does."""
    with database.begin() as tx:
        attributes.put(tx, NAME, {key: {"captions": TEXTS}})
    with database.begin() as tx:
        return captions.settle(tx, attributes.recordings_of(tx, NAME, [key]))


def texts(database: Database) -> list[tuple[str, str, int, int]]:
    with database.begin() as tx:
        query = "SELECT source, text, start_sample, end_sample FROM segment WHERE modality = 'text' ORDER BY source"
        return [(source, text, start, end) for source, text, start, end in tx.execute(sa.text(query))]


def counts(database: Database) -> list[tuple[int, int]]:
    with database.begin() as tx:
        query = "SELECT r.n_segments, p.n_segments FROM recording r JOIN recording_progress p USING (recording_id)"
        return [(here, there) for here, there in tx.execute(sa.text(query))]


def both_stand(database: Database) -> bool:
    return texts(database) == [("caption-1", TEXTS[0], 0, N_SAMPLES), ("caption-2", TEXTS[1], 0, N_SAMPLES)] and counts(
        database
    ) == [(3, 3)]


def test_attributes_that_come_first_wait_for_the_cut(seen: Database) -> None:
    assert say(seen) == Settled()
    with seen.begin() as tx:
        assert register(tx) == Settled()
    with seen.begin() as tx:
        settled = cut(tx)
    assert [(span.modality, span.text, span.n_audio_samples) for span in settled.new] == [
        ("text", TEXTS[0], 0),
        ("text", TEXTS[1], 0),
    ]
    assert both_stand(seen)


def test_attributes_that_come_last_find_the_recording(seen: Database) -> None:
    with seen.begin() as tx:
        register(tx)
        cut(tx)
    assert len(say(seen).new) == 2
    assert say(seen) == Settled()
    assert both_stand(seen)


def test_a_further_key_brings_its_own_captions(seen: Database) -> None:
    with seen.begin() as tx:
        register(tx)
        cut(tx)
        recordings.see(tx, [SeenObject(ids.object_id("audio", "clips/b.wav"), NAME, "audio", "clips/b.wav", "etag", 9)])
    assert say(seen, "clips/b.wav") == Settled()
    with seen.begin() as tx:
        assert len(register(tx, "clips/b.wav").new) == 2
    assert both_stand(seen)


def waits(future: "Future[Settled]") -> bool:
    sleep(0.3)
    return not future.done()


def test_attributes_that_come_while_a_recording_is_cut(seen: Database, threads: ThreadPoolExecutor) -> None:
    with seen.begin() as tx:
        register(tx)
    with seen.begin() as tx:
        assert cut(tx) == Settled()  # has looked, and found none
        late = threads.submit(say, seen)
        assert waits(late)
    assert len(late.result(timeout=10).new) == 2
    assert both_stand(seen)


def test_attributes_that_come_while_an_object_joins_a_recording(seen: Database, threads: ThreadPoolExecutor) -> None:
    with seen.begin() as tx:
        register(tx)
        cut(tx)
        tx.execute(sa.text("UPDATE stored_object SET state = 'seen', recording_id = NULL"))
    with seen.begin() as tx:
        assert register(tx) == Settled()
        late = threads.submit(say, seen)
        assert waits(late)
    assert len(late.result(timeout=10).new) == 2
    assert both_stand(seen)


def test_a_recording_that_is_cut_while_attributes_settle(seen: Database, threads: ThreadPoolExecutor) -> None:
    def cutting() -> Settled:
        with seen.begin() as tx:
            return cut(tx)

    with seen.begin() as tx:
        register(tx)
    with seen.begin() as tx:
        attributes.put(tx, NAME, {KEY: {"captions": TEXTS}})
    with seen.begin() as tx:
        assert captions.settle(tx, [RECORDING]) == Settled()  # not cut yet, and nobody can now
        late = threads.submit(cutting)
        assert waits(late)
    assert len(late.result(timeout=10).new) == 2
    assert both_stand(seen)


def test_the_same_words_at_the_same_place_are_the_same_segment() -> None:
    assert ids.caption_id(RECORDING, 1, "Rain.") == ids.caption_id(RECORDING, 1, "Rain.")
    other = UUID(int=1)
    assert len({ids.caption_id(r, k, t) for r in (RECORDING, other) for k in (1, 2) for t in ("Rain.", "Snow.")}) == 8
