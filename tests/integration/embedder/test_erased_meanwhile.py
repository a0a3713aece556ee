"""Recordings are erased while the embedder is at work on them."""

from typing import Any

from shared.storage import erasure
from tests.integration.embedder.working import COLLECTION, FIRST, Workshop


def test_vectors_that_come_late_are_not_written(workshop: Workshop) -> None:
    doomed, staying = workshop.recording(), workshop.recording()
    backfill_id = workshop.backfill("other")

    def erased_meanwhile() -> None:
        workshop.encoders[FIRST].before = lambda: None
        with workshop.database.begin() as tx:
            erasure.erase_recordings(tx, COLLECTION, [doomed], "test")

    workshop.work("embedder.enlist")
    workshop.encoders[FIRST].before = erased_meanwhile
    workshop.work_off()
    query = "SELECT DISTINCT recording_id FROM embedding"
    assert workshop.rows(query) == [(staying,)]
    query = "SELECT DISTINCT data->>'recording_id' FROM event WHERE type LIKE '%embedded%'"
    assert workshop.rows(query) == [(str(staying),)]
    assert workshop.rows("SELECT DISTINCT recording_id FROM recording_progress") == [(staying,)]
    assert workshop.state(backfill_id).state == "done"  # it waits for nobody who is erased


def test_what_was_erased_while_its_audio_was_fetched_is_not_told_of_again(workshop: Workshop) -> None:
    doomed = workshop.recording()
    store = workshop.store

    class Erasing:
        """The audio goes, as a sweep would have it, before it is read."""

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def fetch(self, bucket: str, key: str, *args: Any, **kwargs: Any) -> Any:
            with workshop.database.begin() as tx:
                erasure.erase_recordings(tx, COLLECTION, [doomed], "test")
            store.delete(bucket, key)
            return store.fetch(bucket, key, *args, **kwargs)

    workshop.store = Erasing()
    workshop.work_off()
    assert workshop.rows("SELECT count(*) FROM event WHERE type LIKE '%object.seen%'") == [(0,)]
    assert workshop.rows("SELECT count(*) FROM delivery WHERE subscription = 'embedder.embed'") == [(0,)]
