"""Encoders that are removed while recordings are embedded, on real servers."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from services.embedder import writing
from shared.storage import collections, encoder_removal
from shared.storage.encoder_removal import EncoderBusy, EncoderInUse
from tests.integration.embedder.working import COLLECTION, FIRST, SECOND, Workshop
from tests.support.locks import WAITING
from tests.support.stack import until


@pytest.fixture
def both(workshop: Workshop) -> Workshop:
    """The collection has the second encoder as well, which somebody added."""
    with workshop.database.begin() as tx:
        tx.exec_driver_sql(
            f"INSERT INTO encoder_definition (name, family, model, state) VALUES ('{SECOND}', 'f', 'm', 'ready')"
        )
        collections.add_encoder(tx, COLLECTION, SECOND)
    return workshop


def remove(workshop: Workshop) -> None:
    with workshop.database.begin() as tx:
        collections.drop_encoder(tx, COLLECTION, SECOND)
        encoder_removal.remove(tx, SECOND)


def test_an_encoder_that_goes_while_it_embeds_costs_the_others_nothing(both: Workshop) -> None:
    both.recording()
    both.encoders[SECOND].before = lambda: remove(both)
    both.work("embedder.embed")
    assert both.rows("SELECT state, error_code FROM delivery WHERE subscription LIKE 'embedder%'") == []
    assert (len(both.vectors(FIRST)), both.rows("SELECT state FROM recording")) == (3, [("ready",)])
    assert both.rows("SELECT encoder FROM recording_progress") == [(FIRST,)]


def test_an_encoder_whose_vectors_are_being_written_stays(both: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    both.recording()
    count = writing.count
    with ThreadPoolExecutor(1) as threads:
        removals = []

        def remove_before(*arguments: object) -> None:
            removals.append(threads.submit(remove, both))
            until(lambda: both.rows(WAITING))
            count(*arguments)

        monkeypatch.setattr(writing, "count", remove_before)
        both.work("embedder.embed")
        with pytest.raises(EncoderInUse):
            removals[0].result()
    assert len(both.vectors(SECOND)) == 3


def test_whoever_reads_vectors_for_long_keeps_nobody_waiting_for_a_removal(both: Workshop) -> None:
    with both.database.begin() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM embedding")
        with pytest.raises(EncoderBusy):
            remove(both)
    remove(both)
    assert both.rows("SELECT 1 FROM encoder WHERE name = :name", name=SECOND) == []


def test_backfills_that_were_given_up_end_with_their_encoder(both: Workshop) -> None:
    backfill_id = both.backfill(SECOND)
    with both.database.begin() as tx:
        tx.exec_driver_sql("UPDATE delivery SET state = 'dead'")
    remove(both)
    assert both.state(backfill_id).state == "done"
