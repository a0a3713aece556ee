"""Backfills on real servers: everything that is missing, once, in small transactions, whatever happens on the way."""

from dataclasses import replace
from uuid import UUID, uuid4

import numpy as np
import pytest
import sqlalchemy as sa

from shared.settings import LedgerSettings
from shared.storage import backfills, collections, encoders
from shared.storage.collections import UnknownCollection
from shared.storage.encoders import UnknownEncoder
from tests.integration.embedder.working import COLLECTION, FIRST, SECOND, Workshop


def counts(workshop: Workshop, backfill_id: UUID) -> tuple[str, int, int, int]:
    found = workshop.state(backfill_id)
    return found.state, found.wanted, found.done, found.without_voice


def embedded(workshop: Workshop, encoder: str) -> list[str]:
    """The segments announced as embedded, one by one."""
    return [s for data in workshop.announced("segments.embedded", encoder) for s in data["segment_ids"]]


def test_an_encoder_that_comes_later_embeds_what_is_there(workshop: Workshop) -> None:
    ready = [workshop.recording(3), workshop.recording(2), workshop.recording(0)]
    workshop.work_off()
    own = workshop.backfill(SECOND)
    assert counts(workshop, own) == ("enlisting", 0, 0, 0)
    workshop.work_off()

    assert counts(workshop, own) == ("done", 5, 5, 0)
    assert set(workshop.vectors(SECOND)) == set(workshop.vectors(FIRST)) != set()
    assert workshop.progress(SECOND) == {(3, 3, 0), (2, 2, 0), (0, 0, 0)}
    whole = [UUID(data["recording_id"]) for data in workshop.announced("recording.embedded", SECOND)]
    assert sorted(whole) == sorted(ready)
    assert len(embedded(workshop, SECOND)) == 5


def test_the_encoder_embeds_later_arrivals_too(workshop: Workshop) -> None:
    with workshop.database.begin() as tx:
        assert [backfills.request(tx, COLLECTION, SECOND, everything=False).added for _ in range(2)] == [True, False]
        assert collections.get(tx, COLLECTION).encoders == (FIRST, SECOND)
    workshop.recording(2)
    workshop.work_off()

    assert set(workshop.vectors(SECOND)) == set(workshop.vectors(FIRST))
    assert workshop.progress(SECOND) == {(2, 2, 0)}
    assert len(workshop.announced("recording.embedded", SECOND)) == 1


def test_what_is_there_is_not_done_again(workshop: Workshop) -> None:
    workshop.recording(2)
    workshop.work_off()
    assert counts(workshop, first := workshop.backfill(FIRST)) == ("enlisting", 0, 0, 0)
    workshop.work_off()
    assert counts(workshop, first) == ("done", 0, 0, 0)
    assert len(embedded(workshop, FIRST)) == 2


def test_two_backfills_at_a_time_embed_each_segment_once(workshop: Workshop) -> None:
    workshop.recording(3)
    workshop.work_off()
    both = [workshop.backfill(SECOND), workshop.backfill(SECOND)]
    workshop.work_off()

    assert [counts(workshop, own) for own in both] == [("done", 3, 3, 0)] * 2
    assert len(embedded(workshop, SECOND)) == 3


def test_a_large_collection_is_enlisted_page_by_page(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfills, "RECORDINGS_PER_PAGE", 2)
    workshop.ledger = LedgerSettings(segments_per_event=2)
    for _ in range(5):
        workshop.recording(3)
    own = workshop.backfill(SECOND)
    pages = 0
    while workshop.work("embedder.enlist", most=1):
        pages += 1
    enlisted = workshop.announced("segments.enlisted", SECOND)
    assert (pages, len(enlisted)) == (3, 10)
    assert {(len(data["segment_ids"]), data["duration_s"]) for data in enlisted} == {(2, 2.0), (1, 1.0)}
    assert counts(workshop, own) == ("embedding", 15, 0, 0)
    workshop.work_off()
    assert counts(workshop, own) == ("done", 15, 15, 0)


def test_a_long_recording_is_enlisted_minute_by_minute(workshop: Workshop) -> None:
    workshop.recording(130, readable=False, announced=False)
    own = workshop.backfill(SECOND)
    workshop.work("embedder.enlist")
    assert [data["duration_s"] for data in workshop.announced("segments.enlisted", SECOND)] == [60.0, 60.0, 10.0]
    assert counts(workshop, own) == ("embedding", 130, 0, 0)


def test_a_page_of_long_recordings_has_fewer_of_them(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfills, "SEGMENTS_PER_PAGE", 4)
    for n_segments in (3, 3, 5):
        workshop.recording(n_segments)
    own = workshop.backfill(SECOND)
    while workshop.work("embedder.enlist", most=1):
        pass
    assert len(workshop.announced("backfill.requested", SECOND)) in {3, 4}
    assert counts(workshop, own) == ("embedding", 11, 0, 0)


def test_silence_is_counted_and_not_tried_again(workshop: Workshop) -> None:
    workshop.recording(3, silent=1)
    workshop.work_off()
    own = workshop.backfill(SECOND)
    workshop.work_off()

    assert counts(workshop, own) == ("done", 3, 3, 1)
    assert workshop.progress(SECOND) == {(3, 2, 1)}
    again = workshop.backfill(SECOND)
    workshop.work_off()
    assert counts(workshop, again) == ("done", 0, 0, 0)


def test_everything_replaces_the_vectors_that_are_there(workshop: Workshop) -> None:
    workshop.recording(3)
    workshop.work_off()
    before = workshop.vectors(FIRST)
    workshop.encoders[FIRST].sign = -1.0
    own = workshop.backfill(FIRST, everything=True)
    workshop.work_off()

    after = workshop.vectors(FIRST)
    assert counts(workshop, own) == ("done", 3, 3, 0)
    assert all(np.allclose(after[segment_id], -vector, atol=1e-6) for segment_id, vector in before.items())
    assert workshop.progress(FIRST) == {(3, 3, 0)}
    assert len(workshop.announced("recording.embedded", FIRST)) == 1
    assert len(embedded(workshop, FIRST)) == 6


def test_everything_gives_a_vector_to_what_had_a_reason(workshop: Workshop) -> None:
    workshop.recording(2)
    workshop.work_off()
    with workshop.database.begin() as tx:
        gone = tx.execute(sa.text("DELETE FROM embedding RETURNING segment_id")).scalars().first()
        reason = "INSERT INTO unembeddable (segment_id, encoder, code) VALUES (:id, :encoder, 'no_voice')"
        tx.execute(sa.text(reason), {"id": gone, "encoder": FIRST})
    workshop.backfill(FIRST, everything=True)
    workshop.work_off()

    assert workshop.progress(FIRST) == {(2, 2, 0)}
    assert workshop.rows("SELECT * FROM unembeddable") == []


def test_a_new_revision_fills_its_own_space_and_leaves_the_old_one(workshop: Workshop) -> None:
    workshop.recording(3)
    workshop.work_off()
    old = workshop.encoders[FIRST]
    workshop.offer(replace(old, spec=replace(old.spec, revision="2"), sign=-1.0))
    own = workshop.backfill(FIRST)
    workshop.work("embedder.enlist")
    workshop.work_off()

    new = workshop.vectors(FIRST)
    workshop.encoders[FIRST] = old
    assert counts(workshop, own) == ("done", 3, 3, 0)
    assert set(new) == set(workshop.vectors(FIRST))
    assert workshop.progress(FIRST) == {(3, 3, 0)}
    assert len(workshop.announced("recording.embedded", FIRST)) == 1


def test_a_worker_that_was_taken_over_counts_nothing(workshop: Workshop) -> None:
    workshop.recording(3)
    own = workshop.backfill(SECOND)
    workshop.work("embedder.enlist")

    def taken_over() -> None:
        workshop.encoders[SECOND].before = lambda: None
        with workshop.database.begin() as tx:  # its lease ran out while the model worked
            tx.execute(sa.text("UPDATE delivery SET fence = fence + 1, state = 'pending', lease_until = NULL"))

    workshop.encoders[SECOND].before = taken_over
    workshop.work("embedder.backfill")
    assert counts(workshop, own) == ("embedding", 3, 0, 0)
    assert workshop.vectors(SECOND) == {}

    workshop.work_off()
    assert counts(workshop, own) == ("done", 3, 3, 0)
    assert len(embedded(workshop, SECOND)) == 3


def test_a_recording_whose_audio_is_gone_holds_nothing_up(workshop: Workshop) -> None:
    workshop.recording(2)
    workshop.recording(3, readable=False, announced=False)
    workshop.work_off()
    with workshop.database.begin() as tx:
        tx.execute(sa.text("UPDATE recording SET state = 'ready'"))
    own = workshop.backfill(SECOND)
    workshop.work_off()

    assert counts(workshop, own) == ("done", 5, 5, 0)
    assert workshop.state(own).unreadable == 3
    assert len(workshop.vectors(SECOND)) == 2


def test_an_encoder_or_collection_that_nobody_knows_is_refused(workshop: Workshop) -> None:
    with workshop.database.begin() as tx, pytest.raises(UnknownEncoder, match="known are: other, spectral"):
        backfills.request(tx, COLLECTION, "mystery", everything=False)
    with workshop.database.begin() as tx, pytest.raises(UnknownCollection):
        backfills.request(tx, "nowhere", FIRST, everything=False)
    with workshop.database.begin() as tx, pytest.raises(backfills.UnknownBackfill):
        backfills.state(tx, uuid4())


def test_a_segment_that_is_named_before_it_has_a_vector_gets_one_by_the_first_encoder(workshop: Workshop) -> None:
    recording = workshop.recording(3, silent=1, announced=False)
    with workshop.database.begin() as tx:
        collections.add_encoder(tx, COLLECTION, SECOND)
        asked = backfills.request_missing(tx, COLLECTION, workshop.segment_ids(recording))
    assert [(event.encoder, len(event.segment_ids)) for event in asked] == [(FIRST, 3)]
    workshop.say(*asked)
    workshop.work_off()

    assert set(workshop.vectors(FIRST)) == set(workshop.segment_ids(recording)[:2])
    assert (workshop.vectors(SECOND), workshop.progress(FIRST)) == ({}, {(3, 2, 1)})
    with workshop.database.begin() as tx:
        assert backfills.request_missing(tx, COLLECTION, [*workshop.segment_ids(recording), uuid4()]) == []


def test_nothing_is_asked_of_an_encoder_that_no_worker_offers(workshop: Workshop) -> None:
    recording = workshop.recording(1, announced=False)
    with workshop.database.begin() as tx:
        tx.execute(sa.text("UPDATE collection SET encoders = '{mystery}'"))
        assert "mystery" not in encoders.encoders(tx)
        assert backfills.request_missing(tx, COLLECTION, workshop.segment_ids(recording)) == []
